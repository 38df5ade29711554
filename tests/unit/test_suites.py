"""Both sets of algorithms give the published answers, and a database keeps the one that it was made with."""

import subprocess
import sys

import pytest
from cryptography.exceptions import InvalidTag

from hub.keys import KeyRefused, Keys
from hub.suites import INTERNATIONAL, NATIONAL, SUITES, Nonces, Suite

BOTH = pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))


def test_sm3_gives_the_answer_of_its_standard() -> None:
    """GB/T 32905-2016, appendix A, both examples."""
    assert NATIONAL.digest(b"abc") == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert NATIONAL.digest(b"abcd" * 16) == "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"


def test_sha256_gives_the_answer_of_its_standard() -> None:
    assert INTERNATIONAL.digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_sm4_gcm_gives_the_answer_of_rfc_8998() -> None:
    key = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    nonce = bytes.fromhex("00001234567800000000ABCD")
    associated = bytes.fromhex("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2")
    plain = b"".join(bytes([one]) * 8 for one in (0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF, 0xEE, 0xAA))
    sealed = NATIONAL.aead(key).encrypt(nonce, plain, associated)
    assert sealed.hex().upper() == (
        "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735"
        "D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D"
        "83DE3541E4C2B58177E065A9BF7B62EC"
    )
    assert NATIONAL.aead(key).decrypt(nonce, sealed, associated) == plain


def test_aes_gcm_gives_the_answer_of_its_validation_suite() -> None:
    sealed = INTERNATIONAL.cipher(bytes(32)).encrypt(bytes(12), bytes(16), b"")
    assert sealed.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"


@BOTH
def test_a_mac_is_the_hmac_of_the_suites_hash(suite: Suite) -> None:
    """RFC 2104 by hand, over the hash alone."""
    key, content = b"k" * 32, b"content"
    inner = bytes(byte ^ 0x36 for byte in key.ljust(64, b"\0"))
    outer = bytes(byte ^ 0x5C for byte in key.ljust(64, b"\0"))
    by_hand = suite.digest(outer + bytes.fromhex(suite.digest(inner + content)))
    assert suite.mac(key, content).hex() == by_hand


@BOTH
@pytest.mark.parametrize(
    "spoil", [lambda sealed: sealed[:-1] + b"\0", lambda sealed: b"\1" + sealed[1:], lambda sealed: sealed[:8]]
)
def test_what_was_changed_is_not_opened(suite: Suite, spoil: "object") -> None:
    assert callable(spoil)
    cipher = suite.cipher(b"k" * 32)
    sealed = cipher.encrypt(bytes(12), b"content", b"what")
    with pytest.raises(InvalidTag):
        cipher.decrypt(bytes(12), spoil(sealed), b"what")
    with pytest.raises(InvalidTag):
        cipher.decrypt(bytes(12), sealed, b"else")


@BOTH
def test_keys_of_a_suite_seal_and_open_and_name_what_it_is_for(suite: Suite) -> None:
    keys = Keys(b"m" * 32, suite=suite)
    case = keys.new_case_key()
    sealed = case.seal("样例".encode(), "data")
    assert keys.case_key(case.wrapped).unseal(sealed, "data").decode() == "样例"
    with pytest.raises(KeyRefused, match="a sealed reply cannot be opened"):
        case.unseal(sealed, "reply")
    with pytest.raises(KeyRefused, match="cannot be unwrapped"):
        Keys(b"o" * 32, suite=suite).case_key(case.wrapped)
    assert keys.unseal_blob(keys.seal_blob(b"scan")) == b"scan"
    with pytest.raises(KeyRefused, match="a stored file cannot be opened"):
        Keys(b"o" * 32, suite=suite).unseal_blob(keys.seal_blob(b"scan"))


def test_the_suites_have_nothing_in_common() -> None:
    """A value of one is none of the other, even under the same master key."""
    one, other = (Keys(b"m" * 32, suite=suite) for suite in SUITES.values())
    assert one.proof() != other.proof()
    assert one.message_digest(b"x") != other.message_digest(b"x")
    assert one.journal("310000").hash("0" * 64, ("r", "c", 1, 1, "b", "[]")) != other.journal("310000").hash(
        "0" * 64, ("r", "c", 1, 1, "b", "[]")
    )
    with pytest.raises(KeyRefused):
        other.case_key(one.new_case_key().wrapped)


@BOTH
@pytest.mark.parametrize("length", [0, 1, 55, 64, 65, 1700])
def test_a_hash_under_a_lasting_key_is_the_hmac_of_the_library(suite: Suite, length: int) -> None:
    key, content = bytes(range(32)), b"x" * length
    kept = suite.keyed(key)
    assert kept(content) == suite.mac(key, content)
    assert kept(content) == suite.mac(key, content), "asked twice"


def test_no_nonce_comes_twice_and_a_child_process_draws_its_own() -> None:
    nonces = Nonces()
    drawn = {nonces() for _ in range(1000)}
    assert len(drawn) == 1000
    assert {len(one) for one in drawn} == {12}
    assert subprocess.run([sys.executable, "-c", _FORKING], check=False, timeout=60).returncode == 0


def test_threads_that_seal_at_once_never_get_the_same_nonce() -> None:
    """Files are sealed in threads, all under one key: a nonce that came twice would give both away."""
    assert subprocess.run([sys.executable, "-c", _IN_THREADS], check=False, timeout=60).returncode == 0


_IN_THREADS = """
import sys, threading, time
from hub.suites import Nonces
nonces, drawn = Nonces(), []
def slowly(frame, event, argument):  # another thread has its turn between any two lines
    time.sleep(0)
    return slowly
def draw():
    sys.settrace(slowly)
    drawn.extend([nonces() for _ in range(300)])
threads = [threading.Thread(target=draw) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(len(drawn) != 2400 or len(set(drawn)) != 2400)
"""


_FORKING = """
import os
from hub.suites import Nonces
nonces = Nonces()
nonces()
drawn = {nonces() for _ in range(10)}
reading, writing = os.pipe()
if os.fork() == 0:
    os.write(writing, b"".join(nonces() for _ in range(10)))
    os._exit(0)
os.wait()
told = os.read(reading, 1000)
ours = {nonces() for _ in range(10)}
assert len(told) == 120
assert not {told[at : at + 12] for at in range(0, 120, 12)} & (drawn | ours)
"""
