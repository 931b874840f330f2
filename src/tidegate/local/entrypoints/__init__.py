"""What the entrypoints of well-known images do before their server runs, done here for local pods.

An image whose row in `nodes/images/images.yaml` names an `entrypoint` is started through the module of
that name: it reads the variables that the image's documentation names (`RABBITMQ_DEFAULT_USER`), writes
what the server needs into the pod's data folder, and says what to run. The server then runs as a user of
its own where we are root. A module has

    USER = "rabbitmq"                       # whom Debian's package runs it as; "" for ourselves
    def prepare(box: Box) -> list[str]: …   # the command; raises `Refused` with words for the pod's log

These programs run inside the pod, on the standard library alone.
"""
