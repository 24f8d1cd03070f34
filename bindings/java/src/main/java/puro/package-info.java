/**
 * Event streams in a directory, shared by any number of processes, with no daemon.
 *
 * {@snippet :
 * try (var producer = Producer.open(Path.of("events"))) {
 *     producer.append(NewRecord.of("orders", "3 apples").key("customer-7"));
 * }
 * try (var consumer = Consumer.open(Path.of("events"))) {
 *     for (var record : consumer.available()) System.out.println(record);
 * }
 * }
 */
package puro;
