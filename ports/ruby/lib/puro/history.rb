# frozen_string_literal: true

module Puro
  # Tokens against the stream's history (E-7, E-8).
  module History
    module_function

    # Raises where the token has diverged. `state` and `next_offset` are those of the committed end.
    def check(token, stream_id, state, next_offset)
      raise Refused, "the token is of another stream" unless token.stream_id == stream_id # E-8
      raise Diverged, "the stream ends at #{next_offset}, before the token" if next_offset < token.offset
      return if token.epoch.zero? # nothing was read: it matches any epoch
      raise Diverged, "the token's epoch is not there" if token.epoch > state.newest_epoch.number

      check_epochs(token, state)
    end

    # The first case of E-7.
    def check_epochs(token, state)
      later = state.epochs.find { |epoch| epoch.number > token.epoch && epoch.first_offset < token.offset }
      raise Diverged, "epoch #{later.number} began at #{later.first_offset}, before the token" if later
    end
  end
end
