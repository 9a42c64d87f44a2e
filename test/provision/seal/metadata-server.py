# A fake of Google's metadata server with what the guest agent needs:
# https://cloud.google.com/compute/docs/metadata/querying-metadata
# Serves /run/metadata.json. A request that waits for a change is answered when the file changes.
import hashlib
import json
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PREFIX = "/computeMetadata/v1/"


def read():
    with open("/run/metadata.json", "rb") as file:
        text = file.read()
    return json.loads(text), hashlib.sha256(text).hexdigest()[:16]


def part_of(metadata, path):
    """The value at a path such as `instance/network-interfaces/0/ip`. Fields are camelCase in the JSON file, attributes are not."""
    for step in filter(None, path.split("/")):
        camel = re.sub(r"-(.)", lambda match: match[1].upper(), step)
        if isinstance(metadata, list):
            metadata = metadata[int(step)]
        else:
            metadata = metadata[step] if step in metadata else metadata[camel]
    return metadata


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        metadata, etag = read()
        end = time.time() + float(query.get("timeout_sec", 60))
        while query.get("wait_for_change") == "true" and query.get("last_etag") in (None, etag) and time.time() < end:
            time.sleep(0.1)
            metadata, etag = read()
        try:
            found = part_of(metadata, url.path.removeprefix(PREFIX))
        except (KeyError, IndexError, ValueError, TypeError):
            return self.answer(404, b"not found", etag)
        is_json = query.get("alt") == "json" or query.get("recursive") == "true" or not isinstance(found, (str, int))
        self.answer(200, (json.dumps(found) if is_json else str(found)).encode(), etag)

    def do_PUT(self):
        """Discards guest attributes."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(200, b"", read()[1])

    def answer(self, status, body, etag):
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer((sys.argv[1], 80), Handler).serve_forever()
