"""The preStop hook of the web server: tells the one in this pod to drain, and waits until it has."""

import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8080/drain", timeout=20) as answer:
    print(answer.read().decode())
