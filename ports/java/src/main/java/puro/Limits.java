package puro;

/** The tables of numbers of format.md. */
final class Limits {
  static final int MAX_TOPIC = 1024; // chapter 6, F-30
  static final int MAX_KEY = 1024;
  static final int MAX_HEADERS = 65_536;
  static final int MAX_VALUE = 10_485_760;
  static final int MAX_BODY = 16_777_216; // F-16
  static final int MAX_NAME = 200; // F-11
  static final int CHECKPOINT_BODY = 1_048_576; // F-37
  static final long DEFAULT_SEGMENT_BYTES = 67_108_864L; // F-34
  static final long MIN_SEGMENT_BYTES = 4_096L; // F-53
  static final long MAX_SEGMENT_BYTES = 1_099_511_627_776L;
  static final long LAST_SEQUENCE = 4_294_967_295L; // F-7

  static final int HEADER = 64; // F-12
  static final int START = 48; // F-15
  static final int END = 8;
  static final int UNIT = 64;

  static final long POLL_MS = 100;
  static final long LOCK_MS = 60_000;
  static final int START_OVER = 100;

  private Limits() {}
}
