"""JSON and its canonical form: ENV-J1 to ENV-J4, and RFC 8785."""

from __future__ import annotations

from typing import Final

from acp.canonical import digest_bytes
from conformance.author.book import Book, Question, Vector

_CANONICAL: Final = (
    (
        "json-order-of-members",
        '{"b":1,"a":2,"B":3,"":4,"aa":5}',
        '{"":4,"B":3,"a":2,"aa":5,"b":1}',
        "members sorted as the author's locale sorts them give another identity",
    ),
    (
        "json-order-by-utf16",
        '{"\\ufb33":1,"\\ud83d\\ude00":2,"\\u20ac":3,"1":4,"\\r":5,"\\u0080":6,"\\u00f6":7}',
        '{"\\r":5,"1":4,"\u0080":6,"ö":7,"€":3,"😀":2,"\ufb33":1}',
        "sorted by code points, U+1F600 comes after U+FB33; by UTF-16 code units, before it",
    ),
    (
        "json-order-in-depth",
        '[{"z":{"b":[{"y":1,"x":2}],"a":{}},"c":[]}]',
        '[{"c":[],"z":{"a":{},"b":[{"x":2,"y":1}]}}]',
        "objects within arrays are sorted as well; arrays are not",
    ),
    (
        "json-white-space",
        ' \t\r\n{ "a" : [ 1 , 2 ] ,\n"b" : { } } \n',
        '{"a":[1,2],"b":{}}',
        "white space is no part of the value",
    ),
    (
        "json-escapes",
        '"\\u0000\\u0008\\u0009\\u000A\\u000b\\f\\u000D\\u001f\\u0022\\u005c\\/\\u0041\\u007f"',
        '"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\\"\\\\/A\u007f"',
        "escapes have one spelling: the short one, else lower-case \\u00xx, and only where needed",
    ),
    (
        "json-no-normalisation",
        '["\u00e9","e\u0301","\u212b"]',
        '["\u00e9","e\u0301","\u212b"]',
        "texts that look alike are different texts",
    ),
    (
        "json-surrogate-pair",
        '"\\ud834\\udd1e"',
        '"𝄞"',
        "an escaped pair of surrogates is one character",
    ),
    (
        "json-numbers",
        "[0,-0,-0.0,0.0,1.0,10e-1,100E+2,4.50,-1.5,333333333.33333329,0.1e1]",
        "[0,0,0,0,1,1,10000,4.5,-1.5,333333333.3333333,1]",
        "numbers have one spelling: that of ECMAScript",
    ),
    (
        "json-numbers-with-exponent",
        "[1e30,1e21,1e-6,1e-7,0.000001,0.0000001,5e-324,1.7976931348623157e308,2e-3]",
        "[1e+30,1e+21,0.000001,1e-7,0.000001,1e-7,5e-324,1.7976931348623157e+308,0.002]",
        "an exponent is written from 21 digits upwards, and from seven places downwards",
    ),
    (
        "json-largest-integers",
        "[9007199254740991,-9007199254740991]",
        "[9007199254740991,-9007199254740991]",
        "the largest integers that a double holds exactly are numbers",
    ),
    ("json-scalar", "true", "true", "a text need not be an object"),
    (
        "json-empty-values",
        '[null,false,{},[],""]',
        '[null,false,{},[],""]',
        "null and the empty values are values of JSON",
    ),
)

_BROKEN: Final = (
    ("byte-order-mark", b"\xef\xbb\xbf%s", "a byte order mark before the text"),
    ("trailing-comma", b'{"a":[1,"b"],"c":"d",}', "a comma after the last member"),
    ("single-quotes", b'{\'a\':[1,"b"],"c":"d"}', "single quotes around a name"),
    ("comment", b'{"a":[1,"b"],/* no */"c":"d"}', "a comment between members"),
    ("second-value", b"%s{}", "a second value after the first"),
    ("truncated", b'{"a":[1,"b"],"c":"d"', "the last byte missing"),
    ("no-text", b"", "nothing at all"),
    ("leading-zero", b'{"a":[01,"b"],"c":"d"}', "a zero before a number"),
    ("plus-sign", b'{"a":[+1,"b"],"c":"d"}', "a plus sign before a number"),
    ("bare-fraction", b'{"a":[.1,"b"],"c":"d"}', "a number without digits before the point"),
    ("hexadecimal", b'{"a":[0x1,"b"],"c":"d"}', "a hexadecimal number"),
    ("capital-literal", b'{"a":[True,"b"],"c":"d"}', "a literal with a capital letter"),
    ("raw-control", b'{"a":[1,"\n"],"c":"d"}', "a line feed within a string"),
    ("unknown-escape", b'{"a":[1,"\\x62"],"c":"d"}', "an escape that JSON does not have"),
    ("form-feed", b'{"a":\x0c[1,"b"],"c":"d"}', "a form feed as white space"),
    ("latin-1", b'{"a":[1,"b"],"c":"\xe9"}', "a letter in Latin-1"),
    ("overlong", b'{"a":[1,"b"],"c":"\xc1\xa4"}', "a letter in overlong UTF-8"),
    ("raw-surrogate", b'{"a":[1,"b"],"c":"\xed\xa0\x80"}', "a surrogate encoded as UTF-8"),
    ("utf-16", '{"a":[1,"b"],"c":"d"}'.encode("utf-16-le"), "the text in UTF-16"),
    ("lone-surrogate", b'{"a":[1,"b"],"c":"\\ud800"}', "an escaped surrogate without its partner"),
    ("swapped-surrogates", b'{"a":[1,"b"],"c":"\\udd1e\\ud834"}', "a pair of surrogates swapped"),
    ("surrogate-in-name", b'{"a":[1,"b"],"\\udc00":"d"}', "an escaped surrogate in a name"),
    ("noncharacter", b'{"a":[1,"b"],"c":"\\uffff"}', "an escaped noncharacter"),
    ("raw-noncharacter", b'{"a":[1,"b"],"c":"\xef\xb7\x90"}', "the noncharacter U+FDD0"),
    ("last-noncharacter", b'{"a":[1,"b"],"c":"\\udbff\\udfff"}', "the noncharacter U+10FFFF"),
)

_REPEATED: Final = (
    ("json-repeated-name", '{"a":[1,"b"],"a":"d"}', "the name of the second member repeated"),
    ("json-repeated-escaped", '{"a":[1,"b"],"\\u0061":"d"}', "a name repeated, with an escape"),
    ("json-repeated-member", '{"a":[1,"b"],"c":"d","c":"d"}', "a member repeated with its value"),
    (
        "json-repeated-in-depth",
        '{"a":[1,{"b":1,"b":2}],"c":"d"}',
        "an object that repeats a name in place of an element",
    ),
    ("json-repeated-empty", '{"":[1,"b"],"":"d"}', "both names empty"),
)

_NUMBERS: Final = (
    ("json-integer-too-large", "[9007199254740992,-9007199254740991]", "an integer one larger"),
    ("json-integer-too-small", "[9007199254740991,-9007199254740992]", "an integer one smaller"),
    ("json-integer-odd", "[9007199254740993,-9007199254740991]", "an integer no double holds"),
    ("json-integer-by-exponent", "[1e20,-9007199254740991]", "an integer of 21 digits as 1e20"),
    ("json-integer-by-fraction", "[9007199254740992.0,-9007199254740991]", "2^53 as a fraction"),
    ("json-infinite", "[1e400,-9007199254740991]", "a number beyond the largest double"),
    ("json-many-digits", "[%s,-9007199254740991]" % ("9" * 5000), "an integer of 5000 digits"),
)


def write() -> Book:
    """Write the area down."""
    book = Book("json", "json")
    canonical = {name: _good(book, name, given, form, why) for name, given, form, why in _CANONICAL}
    plain = _good(
        book, "json-plain", '{"a":[1,"b"],"c":"d"}', None, "the text that the next ones are made of"
    )
    given = plain.question.input
    for name, data, mutation in _BROKEN:
        book.refuse(
            f"json-{name}",
            "ENV-J1",
            plain,
            mutation,
            "parsers that are lenient here read different documents",
            input=data.replace(b"%s", given),
        )
    for literal in ("NaN", "Infinity", "-Infinity"):
        book.refuse(
            f"json-{literal.strip('-').lower()}{'-negative' if literal[0] == '-' else ''}",
            "ENV-J1 ENV-J4",
            plain,
            f"{literal} in place of a number",
            "JSON has no such number, though many parsers read it",
            input=given.replace(b"1", literal.encode()),
        )
    for name, broken, mutation in _REPEATED:
        book.refuse(
            name,
            "ENV-J2",
            plain,
            mutation,
            "one parser takes the first of two members, another the last",
            input=broken.encode(),
        )
    for name, broken, mutation in _NUMBERS:
        book.refuse(
            name,
            "ENV-J4",
            canonical["json-largest-integers"],
            mutation,
            "receivers disagree about the value of such a number",
            input=broken.encode(),
        )
    _depth(book)
    return book


def _depth(book: Book) -> None:
    why = "a recursive parser runs out of stack; limits that differ make readers differ"
    for name, left, inner, right in (
        ("arrays", "[", "", "]"),
        ("objects", '{"a":', "1", "}"),
        ("both", '[{"a":', "0", "}]"),
    ):
        levels = 64 // (left.count("[") + left.count("{"))
        deepest = _good(
            book,
            f"json-depth-of-{name}",
            left * levels + inner + right * levels,
            None,
            "64 levels are allowed",
            "ENV-J3",
        )
        book.refuse(
            f"json-too-deep-{name}",
            "ENV-J3",
            deepest,
            "one more level around it all",
            why,
            input=b"[" + deepest.question.input + b"]",
        )
    book.refuse(
        "json-far-too-deep",
        "ENV-J3",
        book.vectors["json-depth-of-arrays"],
        "20,000 levels in place of 64",
        why,
        input=b"[" * 20_000 + b"]" * 20_000,
    )


def _good(book: Book, name: str, given: str, form: str | None, why: str, also: str = "") -> Vector:
    canonical = given if form is None else form
    return book.accept(
        name,
        also or "ENV-J1 ENV-J2 ENV-J4",
        why,
        Question("canonical", given.encode()),
        digest_bytes(canonical.encode()),
        canonical=form,
    )
