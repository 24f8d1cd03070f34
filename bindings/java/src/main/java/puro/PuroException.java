package puro;

import java.util.Optional;

/** What went wrong: the message says what, where, and why. One kind for each blame. */
public abstract sealed class PuroException extends RuntimeException {
    private final transient Code code;
    private final String wayOut;
    private final transient Optional<Boolean> wasAppended;

    private PuroException(Code code, String message, String wayOut, Optional<Boolean> wasAppended) {
        super(message);
        this.code = code;
        this.wayOut = wayOut;
        this.wasAppended = wasAppended;
    }

    /** Which kind it is of. */
    public Code code() {
        return code;
    }

    /** What to do about it, in a sentence. */
    public String wayOut() {
        return wayOut;
    }

    /** Whether records were appended; empty where nobody knows. */
    public Optional<Boolean> wasAppended() {
        return wasAppended;
    }

    static PuroException of(int number, String message, String wayOut, Optional<Boolean> was) {
        var code = Code.of(number);
        return switch (number / 100) {
            case 1 -> new Caller(code, message, wayOut, was);
            case 2 -> new Environment(code, message, wayOut, was);
            case 3 -> new Data(code, message, wayOut, was);
            default -> new Fault(code, message, wayOut, was);
        };
    }

    static PuroException misuse(String message) {
        return of(Code.MISUSE.number, message, "mend the call", Optional.of(false));
    }

    /** What was asked for cannot be; to ask again changes nothing. */
    public static final class Caller extends PuroException {
        private Caller(Code code, String message, String wayOut, Optional<Boolean> was) {
            super(code, message, wayOut, was);
        }
    }

    /** The system, or another process: it may work later, or after something was mended there. */
    public static final class Environment extends PuroException {
        private Environment(Code code, String message, String wayOut, Optional<Boolean> was) {
            super(code, message, wayOut, was);
        }
    }

    /** What is stored is damaged, or was lost. */
    public static final class Data extends PuroException {
        private Data(Code code, String message, String wayOut, Optional<Boolean> was) {
            super(code, message, wayOut, was);
        }
    }

    /** A fault in Puro itself. */
    public static final class Fault extends PuroException {
        private Fault(Code code, String message, String wayOut, Optional<Boolean> was) {
            super(code, message, wayOut, was);
        }
    }

    /** The codes of puro.h. */
    public enum Code {
        CALLER(100), MISUSE(101), FORKED(102), NOT_A_STREAM(103), NOT_EMPTY(104), BAD_RECORD(105),
        BAD_SETTING(106), OUT_OF_RANGE(107), OLD_SEQUENCE(108), OTHER_CONTENT(109), NETWORK(110),
        ENVIRONMENT(200), IO(201), LOCKED(202), NAME_BUSY(203), CONFLICT(204), NOT_DURABLE(205),
        UNKNOWN(206), NO_SPACE(207), REMOVED(208), NEWER(209),
        DATA(300), DAMAGED(301), DIVERGED(302), LOST(303),
        PANIC(400);

        final int number;

        Code(int number) {
            this.number = number;
        }

        static Code of(int number) {
            for (var code : values()) if (code.number == number) return code;
            return switch (number / 100) {
                case 1 -> CALLER;
                case 2 -> ENVIRONMENT;
                case 3 -> DATA;
                default -> PANIC;
            };
        }
    }
}
