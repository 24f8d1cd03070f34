# frozen_string_literal: true

module Puro
  # The table of limits (format.md, chapter 6), and sizes of chapters 4 and 5.
  MAX_TOPIC_BYTES = 1024
  MAX_KEY_BYTES = 1024
  MAX_HEADERS_BYTES = 65_536
  MAX_VALUE_BYTES = 10_485_760
  MAX_BODY_BYTES = 16_777_216
  CHECKPOINT_BODY_BYTES = 1_048_576
  HEADER_BYTES = 64
  START_BYTES = 48
  END_BYTES = 8
  UNIT = 64 # every block begins on a multiple of this (F-15)
  LAST_SEGMENT = 4_294_967_295 # F-7
  LAST_EPOCH = 4_294_967_295 # E-3
  NO_BOOT = ("\0" * 16).b.freeze # unknown (F-35, M-7)

  # How long, how often: each program's own choice (R-18).
  POLL_INTERVAL = 0.1
  LOCK_SECONDS = 60.0
  START_OVER = 100
end
