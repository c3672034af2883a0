"""Framed messages over real sockets: what arrives whole, and what a bad peer cannot do."""

from __future__ import annotations

import array
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from engine.run.channel import LIMIT, MAX_DESCRIPTORS, Channel, ChannelClosed, ProtocolError


class Say(Struct, tag="say"):
    text: str


class Count(Struct, tag="count"):
    n: int


class Ends:
    """A channel and the raw socket at its other end."""

    def __init__(self) -> None:
        ours, self.peer = socket.socketpair()
        self.channel: Channel[Say | Count] = Channel(ours, Say | Count)

    def put(self, data: bytes, *descriptors: int) -> None:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        self.peer.sendmsg([data], rights if descriptors else [])


@pytest.fixture
def ends() -> Iterator[Ends]:
    before = open_descriptors()
    made = Ends()
    yield made
    made.channel.close()
    made.peer.close()
    assert open_descriptors() == before


@pytest.fixture
def pair() -> Iterator[tuple[Channel[Say | Count], Channel[Say | Count]]]:
    before = open_descriptors()
    made = [Channel[Say | Count](sock, Say | Count) for sock in socket.socketpair()]
    yield made[0], made[1]
    for channel in made:
        channel.close()
    assert open_descriptors() == before


def open_descriptors() -> list[str]:
    return sorted(link.name for link in Path("/proc/self/fd").iterdir())


def frame(body: bytes, length: int | None = None) -> bytes:
    return (len(body) if length is None else length).to_bytes(4, "little") + body


def said(text: str) -> bytes:
    return frame(b'{"type":"say","text":"%s"}' % text.encode())


@pytest.fixture
def files() -> Iterator[list[int]]:
    """Three memory files that hold a, b and c."""
    made = [os.memfd_create(name) for name in "abc"]
    for name, descriptor in zip("abc", made, strict=True):
        os.write(descriptor, name.encode())
    yield made
    for descriptor in made:
        os.close(descriptor)


def contents(descriptors: list[int]) -> str:
    """What received memory files hold; closes them."""
    text = ""
    for descriptor in descriptors:
        text += os.pread(descriptor, 10, 0).decode()
        os.close(descriptor)
    return text


Pair = tuple[Channel[Say | Count], Channel[Say | Count]]


def test_a_message_arrives_as_it_was_sent(pair: Pair) -> None:
    one, other = pair
    one.send(Say("höre"))
    assert other.receive(5) == (Say("höre"), [])


def test_both_ends_talk(pair: Pair) -> None:
    one, other = pair
    one.send(Say("ping"))
    other.send(Count(1))
    assert other.receive(5)[0] == Say("ping")
    assert one.receive(5)[0] == Count(1)


def test_a_message_larger_than_a_socket_buffer_arrives(pair: Pair) -> None:
    one, other = pair
    text = "x" * (LIMIT - 100)
    sender = threading.Thread(target=one.send, args=(Say(text),))
    sender.start()
    assert other.receive(30)[0] == Say(text)
    sender.join()


def test_descriptors_travel_with_their_message(pair: Pair, files: list[int]) -> None:
    one, other = pair
    one.send(Say("two files"), (files[0], files[1]))
    message, received = other.receive(5)
    assert message == Say("two files")
    assert all(not os.get_inheritable(number) for number in received)
    assert contents(received) == "ab"


def test_the_senders_descriptors_stay_its_own(pair: Pair, files: list[int]) -> None:
    one, other = pair
    one.send(Say("x"), (files[0],))
    contents(other.receive(5)[1])
    assert os.pread(files[0], 10, 0) == b"a"


def test_each_of_several_messages_keeps_its_own_descriptors(pair: Pair, files: list[int]) -> None:
    one, other = pair
    one.send(Say("none"))
    one.send(Say("a"), (files[0],))
    one.send(Say("none"))
    one.send(Say("bc"), (files[1], files[2]))
    one.hang_up()
    with pytest.raises(ChannelClosed):
        while True:
            other.receive_some()
    for text in ("none", "a", "none", "bc"):
        found = other.buffered()
        assert found is not None
        message, received = found
        assert message == Say(text)
        assert contents(received) == text.replace("none", "")


def test_a_large_message_does_not_take_the_next_ones_descriptors(
    pair: Pair, files: list[int]
) -> None:
    one, other = pair
    large = Say("x" * 300_000)

    def talk() -> None:
        one.send(large, (files[0],))
        one.send(Say("next"), (files[1],))

    sender = threading.Thread(target=talk)
    sender.start()
    message, received = other.receive(30)
    assert message == large
    assert contents(received) == "a"
    assert contents(other.receive(30)[1]) == "b"
    sender.join()


def test_many_small_messages_in_one_read_come_one_by_one(ends: Ends) -> None:
    ends.put(b"".join(said(str(number)) for number in range(1000)))
    ends.channel.receive_some()
    found = []
    while (item := ends.channel.buffered()) is not None:
        found.append(item[0])
    assert found == [Say(str(number)) for number in range(1000)]


def test_a_torn_message_waits_for_its_end(ends: Ends) -> None:
    data = said("torn")
    for byte in data[:-1]:
        ends.put(bytes([byte]))
        ends.channel.receive_some()
        assert ends.channel.buffered() is None
    ends.put(data[-1:])
    assert ends.channel.receive(5)[0] == Say("torn")


def test_descriptors_of_a_torn_message_arrive_with_its_end(ends: Ends, files: list[int]) -> None:
    data = said("torn")
    ends.put(data[:1], files[2])
    ends.channel.receive_some()
    ends.put(data[1:])
    assert contents(ends.channel.receive(5)[1]) == "c"


def test_nothing_in_time_is_a_timeout_and_harms_nothing(ends: Ends) -> None:
    with pytest.raises(TimeoutError):
        ends.channel.receive(0.01)
    ends.put(said("later"))
    assert ends.channel.receive(5)[0] == Say("later")


def test_half_a_message_in_time_is_a_timeout_and_is_kept(ends: Ends) -> None:
    data = said("slow")
    ends.put(data[:7])
    with pytest.raises(TimeoutError):
        ends.channel.receive(0.01)
    ends.put(data[7:])
    assert ends.channel.receive(5)[0] == Say("slow")


def test_a_peer_that_has_gone_is_told_from_silence(ends: Ends) -> None:
    ends.peer.close()
    with pytest.raises(ChannelClosed):
        ends.channel.receive(5)
    with pytest.raises(ChannelClosed):
        ends.channel.send(Say("anybody?"))


def test_what_a_peer_said_before_it_went_is_still_heard(ends: Ends) -> None:
    ends.put(said("farewell"))
    ends.peer.close()
    assert ends.channel.receive(5)[0] == Say("farewell")
    with pytest.raises(ChannelClosed):
        ends.channel.receive(5)


def test_a_peer_that_dies_in_the_middle_of_a_message_has_gone(ends: Ends) -> None:
    ends.put(said("unfinished")[:9])
    ends.peer.close()
    with pytest.raises(ChannelClosed):
        ends.channel.receive(5)


def test_a_peer_that_leaves_with_our_words_unread_has_gone(ends: Ends) -> None:
    ends.channel.send(Say("unread"))
    ends.peer.close()
    with pytest.raises(ChannelClosed):
        ends.channel.receive(5)


def test_after_hanging_up_answers_are_still_heard(ends: Ends) -> None:
    ends.channel.hang_up()
    assert ends.peer.recv(10) == b""
    ends.put(said("last words"))
    assert ends.channel.receive(5)[0] == Say("last words")


def test_hanging_up_on_nobody_is_no_error(ends: Ends) -> None:
    ends.peer.close()
    ends.channel.hang_up()


@pytest.mark.parametrize("length", [LIMIT + 1, 2**32 - 1])
def test_an_oversize_frame_is_refused_before_it_is_read(ends: Ends, length: int) -> None:
    ends.put(frame(b"", length))
    with pytest.raises(ProtocolError, match=f"a frame of {length} bytes is over the limit"):
        ends.channel.receive(5)


def test_an_oversize_message_is_not_even_sent(pair: Pair) -> None:
    one, other = pair
    with pytest.raises(ProtocolError, match="over the limit"):
        one.send(Say("x" * LIMIT))
    one.send(Count(2))
    assert other.receive(5)[0] == Count(2)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b'{"type":"say"}',
        b'{"type":"say","text":5}',
        b'{"type":"say","text":"\xff"}',
        b'{"type":"unheard of"}',
        b'{"type":"count","n":1e400}',
        b'{"type":"count","n":1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b'{"type":"say","text":"a"} {"type":"say","text":"b"}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_message_is_refused(ends: Ends, body: bytes) -> None:
    ends.put(frame(body))
    with pytest.raises(ProtocolError, match="not a message: "):
        ends.channel.receive(5)


def test_descriptors_of_what_is_no_message_are_closed(ends: Ends, files: list[int]) -> None:
    ends.put(frame(b"nonsense"), *files)
    with pytest.raises(ProtocolError):
        ends.channel.receive(5)  # the fixture counts what is left open


def test_descriptors_that_nobody_took_are_closed(ends: Ends, files: list[int]) -> None:
    ends.put(said("a")[:3], *files)
    ends.channel.receive_some()


def test_more_descriptors_than_allowed_are_refused(ends: Ends, files: list[int]) -> None:
    ends.put(said("greedy"), *(files[0],) * (MAX_DESCRIPTORS + 1))
    with pytest.raises(ProtocolError, match="too many descriptors"):
        ends.channel.receive(5)


def test_descriptors_cannot_be_piled_up_byte_by_byte(ends: Ends, files: list[int]) -> None:
    data = said("patient")
    with pytest.raises(ProtocolError, match="too many descriptors"):
        for byte in data:
            ends.put(bytes([byte]), files[0])
            ends.channel.receive_some()


def test_a_channel_can_be_waited_on(ends: Ends) -> None:
    assert ends.channel.fileno() > 2
