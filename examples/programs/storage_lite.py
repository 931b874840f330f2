"""The few calls of Azure Storage that the examples need, signed with the account's key.

So that the programs run on any Python image as it is; a project of your own would use Azure's client library.
"""

import base64
import hashlib
import hmac
import os
import time
import urllib.request
import xml.etree.ElementTree as ElementTree
from email.utils import formatdate
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qsl, quote, urlencode, urlsplit


class Storage:
    """One account, by its connection string: `Storage().put_message("jobs", "text")`."""

    def __init__(self, connection=None):
        text = connection or os.environ["STORAGE_CONNECTION"]
        pairs = dict(part.split("=", 1) for part in text.split(";") if part)
        self.account, self.key = pairs["AccountName"], base64.b64decode(pairs["AccountKey"])
        scheme, suffix = pairs.get("DefaultEndpointsProtocol", "https"), pairs.get("EndpointSuffix")
        self.endpoints = {
            service: pairs.get(f"{service.capitalize()}Endpoint")
            or f"{scheme}://{self.account}.{service}.{suffix or 'core.windows.net'}"
            for service in ("queue", "blob")
        }

    def wait(self, patience_s=60):
        """Until the account answers."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                return self.call("queue", "GET", "/", {"comp": "list"})
            except HTTPError:
                raise
            except (URLError, OSError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def make_queue(self, queue):
        self.call("queue", "PUT", f"/{queue}")

    def put_message(self, queue, text):
        coded = base64.b64encode(text.encode()).decode()
        body = f"<QueueMessage><MessageText>{coded}</MessageText></QueueMessage>"
        self.call("queue", "POST", f"/{queue}/messages", body=body.encode())

    def take_message(self, queue, hidden_s=30):
        """The next message as (text, id, receipt), None when there is none. It comes back unless deleted."""
        answer = self.call("queue", "GET", f"/{queue}/messages", {"visibilitytimeout": str(hidden_s)})
        message = ElementTree.fromstring(answer).find("QueueMessage")
        if message is None:
            return None
        text = base64.b64decode(message.findtext("MessageText")).decode()
        return text, message.findtext("MessageId"), message.findtext("PopReceipt")

    def delete_message(self, queue, identity, receipt):
        self.call("queue", "DELETE", f"/{queue}/messages/{identity}", {"popreceipt": receipt})

    def make_container(self, container):
        self.call("blob", "PUT", f"/{container}", {"restype": "container"})

    def put_blob(self, container, name, body=b"", **metadata):
        headers = {f"x-ms-meta-{key.lower()}": value for key, value in metadata.items()}
        self.call("blob", "PUT", f"/{container}/{name}", {}, body, {"x-ms-blob-type": "BlockBlob", **headers})

    def get_blob(self, container, name):
        """Its content, None when there is none."""
        try:
            return self.call("blob", "GET", f"/{container}/{name}")
        except HTTPError as error:
            if error.code != 404:
                raise
            return None

    def metadata(self, container, name):
        """Of a blob, by folded keys; nothing where there is no blob."""
        try:
            headers, _ = self.exchange("blob", "HEAD", f"/{container}/{name}")
        except HTTPError as error:
            if error.code != 404:
                raise
            return {}
        found = {key.lower(): value for key, value in headers.items()}
        return {key[10:]: value for key, value in found.items() if key.startswith("x-ms-meta-")}

    def lease(self, container, name, seconds=60):
        """The lease of a blob, which is made where there is none; None where somebody else has it."""
        action = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": str(seconds)}
        for _ in range(2):
            try:
                headers, _ = self.exchange(
                    "blob", "PUT", f"/{container}/{name}", {"comp": "lease"}, b"", action
                )
                return headers["x-ms-lease-id"]
            except HTTPError as error:
                if error.code == 409:
                    return None
                if error.code != 404:
                    raise
            self.put_blob(container, name)
        return None

    def release(self, container, name, lease):
        action = {"x-ms-lease-action": "release", "x-ms-lease-id": lease}
        self.call("blob", "PUT", f"/{container}/{name}", {"comp": "lease"}, b"", action)

    def delete_blob(self, container, name):
        self.call("blob", "DELETE", f"/{container}/{name}")

    def call(self, *request, **more):
        """The body of the answer. What is there already is no error."""
        try:
            return self.exchange(*request, **more)[1]
        except HTTPError as error:
            if error.code != 409:
                raise
            error.close()
            return b""

    def exchange(self, service, method, path, query=(), body=b"", headers=()):
        """The headers and the body of the answer."""
        url = self.endpoints[service] + quote(path) + (f"?{urlencode(query)}" if query else "")
        sent = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02", **dict(headers)}
        is_sent = method in ("PUT", "POST")
        if is_sent:
            sent |= {"Content-Type": "application/octet-stream", "Content-Length": str(len(body))}
        sent["Authorization"] = f"SharedKey {self.account}:{self.signature(method, url, sent, body)}"
        request = urllib.request.Request(url, body if is_sent else None, sent, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.headers, answer.read()

    def signature(self, method, url, headers, body):
        """Source: Microsoft, "Authorize with Shared Key"."""
        parts = urlsplit(url)
        length, kind = str(len(body)) if body else "", headers.get("Content-Type", "")
        lines = [method, "", "", length, "", kind, "", "", "", "", "", ""]
        lines += sorted(f"{key}:{value}" for key, value in headers.items() if key.startswith("x-ms-"))
        lines += [f"/{self.account}{parts.path}"]
        lines += sorted(f"{key}:{value}" for key, value in parse_qsl(parts.query))
        digest = hmac.new(self.key, "\n".join(lines).encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()
