from __future__ import annotations

import pytest

from tests.acp.rules.judging import found, places

MIB = 2**20


def cache(level, total, rate=None, instances=1, **members):
    one = {
        "id": f"l{level}",
        "kind": "sram",
        "role": "CACHE",
        "level": level,
        "instances": instances,
        "capacity_bytes_per_instance": str(total // instances),
    }
    return one | ({} if rate is None else {"read_bytes_per_s": str(rate)}) | members


def memories(*others, **main):
    """The main memory, slow or without a rate, and others."""
    first = {
        "id": "hbm",
        "kind": "hbm3",
        "role": "DEVICE",
        "instances": 1,
        "capacity_bytes_per_instance": str(80 * 2**30),
    }
    return ("/memories", [first | main, *others])


@pytest.mark.parametrize(
    "totals",
    [
        pytest.param({1: 9.5 * MIB, 2: 32 * MIB, 3: 256 * MIB}, id="MI300X"),
        pytest.param({1: 10.2 * MIB, 2: 6 * MIB}, id="V100"),
        pytest.param({1: 4.5 * MIB, 2: 120 * MIB, 3: 112.5 * MIB}, id="Xeon 8490H"),
        pytest.param({1: 4 * MIB, 2: 2 * MIB}, id="twice"),
        pytest.param({2: 100 * MIB}, id="one level"),
    ],
)
def test_m01_accepts_levels_of_devices_that_exist(totals):
    levels = [cache(level, int(total)) for level, total in totals.items()]
    assert places("ACP-M01", memories(*levels)) == []


def test_m01_warns_of_a_total_in_place_of_an_instance():
    # Each of 96 cores is said to have the level-2 cache of all.
    levels = [cache(2, 96 * 96 * MIB, instances=96), cache(3, 384 * MIB, instances=12)]
    ((path, message),) = found("ACP-M01", memories(*levels))
    assert path == "/memories/1/capacity_bytes_per_instance"
    assert "a total given for each instance" in message


def test_m01_counts_all_caches_of_a_level():
    data, code = cache(1, 3 * MIB), cache(1, 3 * MIB) | {"id": "code"}
    assert places("ACP-M01", memories(data, code, cache(2, 3 * MIB))) == []
    assert places("ACP-M01", memories(data, code, cache(2, 3 * MIB - 2))) == [
        "/memories/1/capacity_bytes_per_instance"
    ]


@pytest.mark.parametrize(
    ("inner", "outer", "main", "slow"),
    [
        (30, 20, 10, []),
        (20, 20, 20, []),
        (19, 20, 10, ["/memories/1/read_bytes_per_s"]),
        (30, 9, 10, ["/memories/2/read_bytes_per_s"]),
        (30, None, 10, []),
        (None, 9, 10, ["/memories/2/read_bytes_per_s"]),
    ],
)
def test_m01_rates_grow_towards_the_engine(inner, outer, main, slow):
    levels = (cache(1, MIB, inner), cache(2, MIB, outer))
    assert places("ACP-M01", memories(*levels, read_bytes_per_s=str(main))) == slow


def test_m01_compares_like_with_like():
    level = cache(1, MIB, combined_bytes_per_s="1")
    assert places("ACP-M01", memories(level, read_bytes_per_s="2")) == []


SMALL = 64 * MIB


@pytest.mark.parametrize(
    ("kind", "capacity", "rate", "broken"),
    [
        pytest.param("sram", 230 * 10**6, 80 * 10**12, False, id="GroqChip"),
        pytest.param("sram", 230 * 10**9, 80 * 10**12, True, id="GB for MB"),
        pytest.param("sram", 10**9, 10**12, False, id="one millisecond"),
        pytest.param("sram", 10**9 + 1, 10**12, True, id="a byte more"),
        pytest.param("register-file", 10**9, 10**11, True, id="registers"),
        pytest.param("sram", SMALL - 1, 1, False, id="a microcontroller"),
        pytest.param("sram", SMALL, 10**9, True, id="no longer small"),
        pytest.param("edram", 10**9, 1, False, id="neither static nor off the die"),
        pytest.param("example.com/crystal", 10**12, 1, False, id="unknown"),
        pytest.param("sram", 10**12, None, False, id="no rate"),
        pytest.param("sram", 10**12, 0, False, id="no rate at all"),
    ],
)
def test_m04(kind, capacity, rate, broken):
    one = cache(1, capacity, rate) | {"kind": kind, "role": "SCRATCH"}
    expected = ["/memories/1/capacity_bytes_per_instance"] if broken else []
    assert places("ACP-M04", memories(one)) == expected


def test_m04_leaves_caches_to_those_who_have_few_of_their_cores():
    one = cache(3, 384 * MIB, 60 * 10**9)
    assert places("ACP-M04", memories(one)) == []
    assert places("ACP-M04", memories(one | {"role": "SCRATCH"})) != []


def test_m04_says_what_is_likely():
    one = cache(1, 230 * 10**9, 80 * 10**12) | {"role": "SCRATCH"}
    ((_, message),) = found("ACP-M04", memories(one))
    assert "at 80 TB/s take 2.87 ms" in message
    assert "GB for MB" in message


@pytest.mark.parametrize(
    ("capacity", "rate", "broken"),
    [
        pytest.param(80 * 2**30, 3_350 * 10**9, False, id="H100"),
        pytest.param(6 * 2**40, 460 * 10**9, False, id="a server full of DDR5"),
        pytest.param(80 * 2**20, 3_350 * 10**9, True, id="MB for GB"),
        pytest.param(80 * 2**30, 3_350 * 10**6, False, id="25 seconds"),
        pytest.param(80 * 2**30, 10**9, True, id="MB/s for GB/s"),
        pytest.param(10**9, 10**12, False, id="a millisecond"),
        pytest.param(10**9, 10**12 + 1, True, id="less than a millisecond"),
        pytest.param(60 * 10**9, 10**9, False, id="a minute"),
        pytest.param(60 * 10**9 + 1, 10**9, True, id="more than a minute"),
    ],
)
def test_m07(capacity, rate, broken):
    main = {"capacity_bytes_per_instance": str(capacity), "combined_bytes_per_s": str(rate)}
    expected = ["/memories/0/capacity_bytes_per_instance"] if broken else []
    assert places("ACP-M07", memories(**main)) == expected


def test_m07_is_about_dynamic_memory():
    assert places("ACP-M07", memories(cache(1, 1000, 10**15))) == []
