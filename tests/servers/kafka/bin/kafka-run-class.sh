#!/bin/sh
# A class of Kafka's with the jars beside this folder; as in Kafka's own distribution, but for a small machine.
here=$(dirname "$0")
exec java ${KAFKA_HEAP_OPTS:--Xmx256m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 $KAFKA_OPTS -cp "$here/../lib/*" "$@"
