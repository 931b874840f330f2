"""Number of items that a Query of an Amazon DynamoDB table finds.

```yaml
triggers:
- type: aws-dynamodb
  metadata:
    tableName: tasks
    keyConditionExpression: "#state = :waiting"
    expressionAttributeNames: '{"#state": "state"}'
    expressionAttributeValues: '{":waiting": {"S": "waiting"}}'
    targetValue: "10"
    awsRegion: eu-west-1
  authenticationRef:
    name: aws
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: aws
spec:
  secretTargetRef:
  - parameter: awsAccessKeyID
    name: aws
    key: id
  - parameter: awsSecretAccessKey
    name: aws
    key: secret
```

A Query is read up to 10 MB: of more the number is what was found up to there, and nothing is a failure.
DynamoDB bills what is read, before `filterExpression`: an index over what waits is cheaper than a filter.
Every name and value given must stand in an expression. Values have their type: `S`, `N` (a number as a
text), `B` (the bytes of the text), `BOOL`, `NULL`, `L` or `M`; sets are not taken.

Instead of keys it can ask in a role: see [AWS identities](../authentication/aws.md).

Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.aws import AwsAccess, DynamodbQuery, Service
from tidegate.kit.systems.calls import Calls

NESTING = 32
UNSET = -1


@declared
class AwsDynamodb(AwsAccess):
    types: ClassVar[tuple[str, ...]] = ("aws-dynamodb",)
    service: ClassVar[Service] = "dynamodb"
    cost: ClassVar[str] = (
        "a Query for each MB that one reads, 10 at most, 16 at a time; woken at most every 5 s"
    )
    calls: ClassVar[Calls] = DynamodbQuery.calls
    tested_against: ClassVar[str] = "moto 5.2.5 (emulator)"

    table_name: str = setting("tableName", doc="Table.")
    index_name: str = setting("indexName", doc="Secondary index to query.", default="")
    key_condition: str = setting("keyConditionExpression", doc="Which items, by their key.")
    filter: str = setting("filterExpression", doc="Which of them count.", default="")
    names: str = setting("expressionAttributeNames", doc="Names in the expressions, a JSON object.")
    values: str = setting("expressionAttributeValues", doc="Values in them, a JSON object.")
    target_value: int = target("targetValue", doc="Items that one replica should carry.", default=UNSET)
    activation_target_value: int = activation("activationTargetValue", doc="Active above this number.")

    def check(self) -> Iterator[Problem]:
        try:
            read_names(self.names)
        except ValueError as error:
            yield Problem("expressionAttributeNames", f"invalid expressionAttributeNames: {error}")
        try:
            read_values(self.values)
        except ValueError as error:
            yield Problem("expressionAttributeValues", f"invalid expressionAttributeValues: {error}")
        if self.target_value == UNSET and not self.scope.is_metric_source:
            yield Problem("targetValue", "no targetValue given", "FieldValueRequired")
        yield from AwsAccess.check(self)

    def summary(self) -> str:
        return f"{self.table_name}: {self.key_condition}"

    def metric_name(self) -> str:
        return normalize(f"aws-dynamodb-{self.table_name}")

    def metric_target(self) -> float:
        return 0.0 if self.target_value == UNSET else float(self.target_value)

    async def measure(self, ask: Ask, now: datetime) -> float:
        names, values = json.dumps(read_names(self.names)), json.dumps(read_values(self.values))
        question = DynamodbQuery(
            self.server(), self.table_name, self.index_name, self.key_condition, self.filter, names, values
        )
        return count(await ask(question), question)


def read_names(text: str) -> dict[str, str]:
    """A JSON object of texts that is not empty; ValueError says what it is instead."""
    read = _object(text)
    if not read:
        raise ValueError("empty map")
    if not all(isinstance(value, str) for value in read.values()):
        raise ValueError("every value must be a text")
    return read


def read_values(text: str) -> dict[str, Any]:
    """Typed values as the service takes them; ValueError names the value that is none."""
    return {name: _typed(name, value, 0) for name, value in _object(text).items()}


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(read, dict):
        raise ValueError("it is no JSON object")
    return read


def _typed(name: str, value: Any, depth: int) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) != 1 or depth > NESTING:
        raise ValueError(f'{name} is not a value with its type, such as {{"S": "x"}}')
    [(tag, content)] = value.items()
    if tag in ("S", "N") and isinstance(content, str):
        return {tag: content}
    if tag == "B" and isinstance(content, str):
        return {tag: base64.b64encode(content.encode()).decode()}
    if tag == "BOOL" and isinstance(content, bool):
        return {tag: content}
    if tag == "NULL":
        return {tag: True}
    if tag == "L" and isinstance(content, list):
        return {tag: [_typed(name, one, depth + 1) for one in content]}
    if tag == "M" and isinstance(content, dict):
        return {tag: {key: _typed(name, one, depth + 1) for key, one in content.items()}}
    raise ValueError(f'{name} has the type "{tag[:20]}" with something else, or one that is not taken')
