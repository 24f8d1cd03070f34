package puro;

/**
 * A position in the history of a stream, to be kept anywhere. Unlike a bare offset it notices when
 * that history was lost.
 *
 * @param streamId the stream, in hexadecimal
 * @param epoch the epoch of what was read before it
 * @param offset the next offset to read
 */
public record Token(String streamId, int epoch, long offset) {
    /** Reads what {@link #toString} wrote. */
    public static Token parse(String text) {
        return Native.parseToken(text);
    }

    /** {@code STREAMID:EPOCH:OFFSET}. */
    @Override
    public String toString() {
        return streamId + ":" + Integer.toUnsignedString(epoch) + ":" + Long.toUnsignedString(offset);
    }
}
