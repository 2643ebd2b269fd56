"""The bytes of an answer: joined or chunk by chunk, in the coding the client accepts."""

from __future__ import annotations

from cryptoviz.local.clickhouse.blocks import compress_blocks
from cryptoviz.local.clickhouse.codings import choose_encoding, encoder
from cryptoviz.local.clickhouse.execution import Answer

# Below this an encoding costs more than the bytes it saves on one machine.
ENCODED_FROM_BYTES = 16 * 1024

CONTENT_TYPES = {
    **dict.fromkeys(("TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw"), "text/tab-separated-values; charset=UTF-8"),
    **dict.fromkeys(
        ("TabSeparatedWithNames", "TabSeparatedWithNamesAndTypes"),
        "text/tab-separated-values; charset=UTF-8; header=present",
    ),
    "CSV": "text/csv; charset=UTF-8; header=absent",
    **dict.fromkeys(("CSVWithNames", "CSVWithNamesAndTypes"), "text/csv; charset=UTF-8; header=present"),
    **dict.fromkeys(
        ("JSON", "JSONCompact", "JSONStrings", "JSONCompactStrings", "JSONColumns"), "application/json; charset=UTF-8"
    ),
    **dict.fromkeys(("JSONEachRow", "JSONLines", "JSONCompactEachRow"), "application/x-ndjson; charset=UTF-8"),
    "XML": "application/xml; charset=UTF-8",
    **dict.fromkeys(("Native", "RowBinary", "Parquet", "Arrow", "ArrowStream"), "application/octet-stream"),
}
DEFAULT_CONTENT_TYPE = "text/plain; charset=UTF-8"


class Outgoing:
    """Hands out an answer's bytes; taking them may block, so it belongs into a thread."""

    def __init__(self, answer: Answer, accept_encoding: str, blocks: bool) -> None:
        self._chunks = map(compress_blocks, answer.chunks) if blocks else answer.chunks
        self._encoding = None if blocks else choose_encoding(accept_encoding)
        self._encoder = encoder(self._encoding) if self._encoding and not answer.whole else None
        self.encoding = self._encoding if self._encoder else None

    def everything(self) -> bytes:
        """The whole answer; encoded, and `encoding` set, if it is worth it."""
        body = b"".join(self._chunks)
        if self._encoding is None or len(body) < ENCODED_FROM_BYTES:
            return body
        self.encoding = self._encoding
        whole = encoder(self._encoding)
        return whole.compress(body) + whole.flush()

    def next(self) -> bytes | None:
        """The next part of a streamed answer, None when all is out; raises `QueryError`."""
        for chunk in self._chunks:
            part = self._encoder.compress(chunk) if self._encoder else chunk
            # An encoder may keep everything for later, and an empty part would end a chunked answer.
            if part:
                return part
        rest = self._encoder.flush() if self._encoder else b""
        self._encoder = None
        return rest or None

    def last_words(self, text: bytes) -> bytes:
        """End a stream with a text instead of its rest."""
        if self._encoder is None:
            return text
        return self._encoder.compress(text) + self._encoder.flush()


def late_error(text: str, tag: str) -> bytes:
    """An error after the first byte, in the frame that the header X-ClickHouse-Exception-Tag announces."""
    message = text.encode()
    marker = b"__exception__"
    return b"\r\n%s\r\n%s\r\n%s\n%d %s\r\n%s\r\n" % (
        marker,
        tag.encode(),
        message,
        len(message) + 1,
        tag.encode(),
        marker,
    )
