# frozen_string_literal: true

module Puro
  class Writer
    # Zeros ahead of durable appends (chapter 12): the next ones do not make the file longer. They are
    # nothing (F-56), and a favour.
    module Zeros
      AHEAD = 8192 # at most zeros_ahead_bytes, 262144

      # Z-1. Under writer.lock, behind a block that was just committed. They begin at the file's length as it is
      # now, and end where V-1 lets no block stand any more.
      def put_zeros
        length = @chain.segment.size
        return if length > @chain.position # some are there

        till = [@chain.position + AHEAD, @chain.opening_end + @chain.state.setting("segment_bytes").to_i].min
        return unless till > length

        @zeros_put = true
        @chain.segment.pwrite("\0".b * (till - length), length)
      rescue SystemCallError
        nil
      end

      # Z-8: who put zeros cuts them off when it closes. The lock is only tried; the end must be as remembered
      # (A-2), and all behind it zero. It needs no sync.
      def cut_zeros
        return unless @zeros_put && @process == Process.pid

        @lock.acquire(0)
        begin
          tail = remembered? && @chain.segment.named&.nlink == 1 && @chain.segment.zeros?(@chain.position)
          @chain.segment.truncate(@chain.position) if tail && !@chain.sealed?
        ensure
          @lock.release
        end
      rescue Error, SystemCallError
        nil # the next one finds them
      end
    end
  end
end
