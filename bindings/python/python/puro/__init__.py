"""Event streams in a directory, shared by any number of processes, with no daemon.

>>> import puro
>>> with puro.Producer("events") as producer:
...     producer.append("orders", "3 apples", key="customer-7")
Appended(first_offset=0, record_count=1)
>>> with puro.Consumer("events") as consumer:
...     [record.value for record in consumer.available()]
[b'3 apples']
"""

from puro._errors import (
    CallerError,
    Conflict,
    DataError,
    Diverged,
    EnvironmentFailure,
    Error,
    Fault,
    Forked,
    NameBusy,
    NotAStream,
    NotDurable,
)
from puro._puro import Appended, Batch, Producer, Record, Token, __version__
from puro._consumer import Consumer

__all__ = [
    "Appended",
    "Batch",
    "CallerError",
    "Conflict",
    "Consumer",
    "DataError",
    "Diverged",
    "EnvironmentFailure",
    "Error",
    "Fault",
    "Forked",
    "NameBusy",
    "NotAStream",
    "NotDurable",
    "Producer",
    "Record",
    "Token",
    "__version__",
]
