"""confluent-kafka beside the mirror: `foreign.py HOST:PORT COMMAND ...`.

    read PATTERN           all that was committed, topic by topic: topic, time, key, value, headers, in hexadecimal
    aborted PATTERN        how many records there are that were not committed
    settings TOPIC NAME... its settings
    make TOPIC PARTITIONS [NAME=VALUE...]
    delete-before TOPIC OFFSET
    transactions TOPIC     two that are committed, and one between them that is aborted
"""

import re
import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

SECONDS = 60


def messages(servers, pattern, isolation):
    reader = Consumer({"bootstrap.servers": servers, "group.id": "foreign", "enable.auto.commit": False,
                       "isolation.level": isolation, "enable.partition.eof": True})
    metadata = reader.list_topics(timeout=SECONDS).topics
    for topic in sorted(name for name in metadata if re.fullmatch(pattern, name)):
        for partition in sorted(metadata[topic].partitions):
            reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            while True:
                message = reader.poll(SECONDS)
                if message is None:
                    sys.exit(f"no end of {topic}, {partition}")
                if message.error():
                    if message.error().code() == KafkaError._PARTITION_EOF:
                        break
                    continue
                yield message
    reader.close()


def shown(data):
    return "-" if data is None else data.hex()


def read(servers, pattern):
    for message in messages(servers, pattern, "read_committed"):
        headers = ",".join(f"{name.encode().hex()}={value.hex()}" for name, value in message.headers() or ())
        time = message.timestamp()[1]
        print(message.topic(), time, shown(message.key()), shown(message.value()), headers)


def aborted(servers, pattern):
    count = {level: sum(1 for _ in messages(servers, pattern, level)) for level in ("read_uncommitted", "read_committed")}
    print(count["read_uncommitted"] - count["read_committed"])


def settings(servers, topic, *names):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": servers})
    found = admin.describe_configs([resource])[resource].result(SECONDS)
    for name in names:
        print(found[name].value)


def make(servers, topic, partitions, *options):
    config = dict(option.split("=", 1) for option in options)
    new = NewTopic(topic, int(partitions), 1, config=config)
    admin = AdminClient({"bootstrap.servers": servers})
    admin.create_topics([new])[topic].result(SECONDS)


def delete_before(servers, topic, offset):
    place = TopicPartition(topic, 0, int(offset))
    admin = AdminClient({"bootstrap.servers": servers})
    admin.delete_records([place])[place].result(SECONDS)


def transactions(servers, topic):
    producer = Producer({"bootstrap.servers": servers, "transactional.id": f"foreign-{topic}"})
    producer.init_transactions(SECONDS)
    for number, end in enumerate([producer.commit_transaction, producer.abort_transaction, producer.commit_transaction]):
        producer.begin_transaction()
        for half in (1, 2):
            producer.produce(topic, key=f"k{half}", value=f"{number}.{half}", partition=half % 2,
                             headers=[("h", b"1"), ("h", b"2")], timestamp=1_700_000_000_000 + number)
        producer.flush(SECONDS)
        end(SECONDS)


if __name__ == "__main__":
    _, servers, command, *arguments = sys.argv
    globals()[command.replace("-", "_")](servers, *arguments)
