package puro;

import java.time.Instant;

/**
 * What an append did.
 *
 * @param firstOffset offset of the first record
 * @param recordCount how many records
 * @param time the time they carry
 * @param duplicate whether they stood there already, from an earlier try
 * @param token the position behind them
 */
public record Appended(
        long firstOffset, int recordCount, Instant time, boolean duplicate, Token token) {}
