"""kafka-python against a gateway: `kafka_python.py HOST:PORT`."""

import sys
import threading
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from table import fresh, run, until


def send(bootstrap, topic, values, **more):
    sender = KafkaProducer(bootstrap_servers=bootstrap, **more)
    sent = [sender.send(topic, value) for value in values]
    sender.flush(20)
    offsets = [it.get(20).offset for it in sent]
    sender.close()
    return offsets


def all_of(bootstrap, topic):
    reader, values = KafkaConsumer(bootstrap_servers=bootstrap), []
    part = TopicPartition(topic, 0)
    reader.assign([part])
    reader.seek_to_beginning(part)
    end = reader.end_offsets([part])[part]

    def look():
        if reader.position(part) < end:
            for records in reader.poll(500).values():
                values.extend(it.value for it in records)
        return reader.position(part) >= end

    until(look, "the end of the partition")
    reader.close()
    return values


def produce_acks_and_codecs(bootstrap):
    topic, expected = fresh("codecs"), []
    for codec in [None, "gzip"]:
        for acks in [0, 1, "all"]:
            values = [f"{codec} {acks} {n}".encode() * 50 for n in range(20)]
            idempotent = acks == "all"
            send(bootstrap, topic, values, acks=acks, compression_type=codec,
                 enable_idempotence=idempotent)
            expected += values
    assert sorted(all_of(bootstrap, topic)) == sorted(expected)


def produce_idempotent(bootstrap):
    topic, values = fresh("idempotent"), [str(n).encode() for n in range(500)]
    offsets = send(bootstrap, topic, values, enable_idempotence=True)
    assert offsets == sorted(offsets)
    assert all_of(bootstrap, topic) == values


def transactions(bootstrap):
    topic = fresh("txn")
    sender = KafkaProducer(bootstrap_servers=bootstrap, transactional_id=fresh("id"))
    sender.init_transactions()
    sender.begin_transaction()
    sender.send(topic, b"gone")
    sender.abort_transaction()
    sender.begin_transaction()
    sender.send(topic, b"a")
    sender.send(topic, b"b")
    sender.flush(20)
    assert all_of(bootstrap, topic) == []
    sender.commit_transaction()
    sender.close()
    assert all_of(bootstrap, topic) == [b"a", b"b"]


def group_goes_on_after_restart(bootstrap):
    topic, group = fresh("restart"), fresh("group")
    for value in [b"1", b"2"]:
        send(bootstrap, topic, [value])
        reader = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group,
                               auto_offset_reset="earliest", consumer_timeout_ms=3000)
        assert next(reader).value == value
        reader.commit()
        reader.close()


def group_of_two_and_rebalance(bootstrap):
    topics, group = [fresh("two"), fresh("two")], fresh("group")
    for topic in topics:
        send(bootstrap, topic, [b"x"])
    members = [KafkaConsumer(*topics, bootstrap_servers=bootstrap, group_id=group,
                             partition_assignment_strategy=[RoundRobinPartitionAssignor],
                             heartbeat_interval_ms=500, session_timeout_ms=6000)
               for _ in range(2)]

    # Each in a thread, as it is used: to join waits for the other, who has to poll for that.
    leaving = [threading.Event() for _ in members]

    def work(member, leaves):
        while not leaves.is_set():
            # Longer than a rebalance takes: this client forgets an assignment that comes between two polls, and
            # its heartbeats with it (its log has the answer to SyncGroup, and nothing behind it).
            member.poll(2000)
        member.close()

    threads = [threading.Thread(target=work, args=it) for it in zip(members, leaving)]
    for thread in threads:
        thread.start()
    try:
        parts = lambda: [len(member.assignment()) for member in members]  # noqa: E731
        until(lambda: time.sleep(0.02) or parts() == [1, 1], "one topic each")
        leaving[1].set()
        threads[1].join()
        until(lambda: time.sleep(0.02) or parts()[0] == 2, "both topics for the one that is left")
    finally:
        for leaves in leaving:
            leaves.set()


def seek_by_time(bootstrap):
    topic = fresh("time")
    send(bootstrap, topic, [b"before"])
    time.sleep(0.05)
    moment = int(time.time() * 1000)
    time.sleep(0.05)
    send(bootstrap, topic, [b"after"])
    reader = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=3000)
    part = TopicPartition(topic, 0)
    reader.assign([part])
    reader.seek(part, reader.offsets_for_times({part: moment})[part].offset)
    assert next(reader).value == b"after"
    assert reader.end_offsets([part])[part] > reader.beginning_offsets([part])[part]
    reader.close()


def admin(bootstrap):
    client, topic = KafkaAdminClient(bootstrap_servers=bootstrap), fresh("made")
    client.create_topics([NewTopic(name=topic, num_partitions=1, replication_factor=1)])
    assert topic in client.list_topics()
    client.close()


if __name__ == "__main__":
    run("kafka-python", [
        produce_acks_and_codecs, produce_idempotent, transactions, group_goes_on_after_restart,
        group_of_two_and_rebalance, seek_by_time, admin,
    ], sys.argv[1])
