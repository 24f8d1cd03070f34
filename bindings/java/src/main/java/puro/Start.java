package puro;

import java.time.Instant;

/** Where a consumer begins. */
public sealed interface Start {
    /** At the lowest offset there is. */
    record Beginning() implements Start {}

    /** Behind all that there is. */
    record End() implements Start {}

    /** At an offset. */
    record Offset(long offset) implements Start {}

    /** At the last so many records of its topics. */
    record Last(long count) implements Start {}

    /** At the first record of a time, or later. */
    record Time(Instant time) implements Start {}

    /** At a position. */
    record At(Token token) implements Start {}
}
