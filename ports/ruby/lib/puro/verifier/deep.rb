# frozen_string_literal: true

module Puro
  class Verifier
    # What is looked at only where it is asked for (K-14). Part of SegmentCheck. That all records follow chapter 6
    # and agree with their block is seen anyway.
    module Deep
      private

      def begin_deep
        @checkpoint = nil # entries of a checkpoint, its blocks together (F-51)
        @topics = Hash.new { |hash, topic| hash[topic] = [] } # where records of a topic stand
        @from = HEADER_BYTES # the end of the checkpoint before (F-42)
        @expected = @before&.chain&.state&.sorted # what the opening checkpoints must hold
      end

      def deep(found, position, fresh)
        start = found.start
        if start.kind == Body::CHECKPOINT
          gather(found, position)
        else
          judge_checkpoint
          note_topics(found, position) if start.kind == Body::RECORDS
        end
        judge_index(found, position, fresh) unless start.kind == Body::RECORDS
        @from = @chain.position if start.kind == Body::CHECKPOINT
        @topics.clear if start.kind == Body::CHECKPOINT
      end

      # A checkpoint that is none of the opening ones holds the state as it is before its first block.
      def expect_state(start, fresh)
        @expected = @chain.state.sorted if start.kind == Body::CHECKPOINT && !fresh && @checkpoint.nil?
      end

      def gather(found, position)
        @checkpoint ||= []
        @checkpoint_at ||= position
        Body.each(found.body) do |record|
          @checkpoint << [record.topic, record.key, record.value] if record.entry?
        end
      end

      # F-37: each entry of the state once, in order.
      def judge_checkpoint
        return unless @checkpoint

        right = @expected || @checkpoint.sort_by { |kind, key, _| [kind, key] }.uniq { |kind, key, _| [kind, key] }
        damage(@checkpoint_at, "the checkpoint does not hold the state, each entry once, in order") unless @checkpoint == right
        @checkpoint = @checkpoint_at = @expected = nil
      end

      def note_topics(found, position)
        seen = []
        Body.each(found.body) { |record| seen << record.topic unless record.control }
        seen.uniq.each { |topic| @topics[topic] << position }
      end

      # F-42, F-52: at the end of a checkpoint of one block, or of a segment end.
      def judge_index(found, position, fresh)
        return if fresh && found.start.kind == Body::CHECKPOINT

        last = nil
        Body.each(found.body) { |record| last = record }
        return unless last&.control?("topics")

        damage(position, "the index of topics is not right") unless index_right?(last.value || "".b)
      end

      def index_right?(value)
        return false if value.bytesize < 8

        from = value.unpack1("Q<")
        named = read_index(value, from)
        named.empty? || (from == @from && named == @topics.sort)
      rescue Damaged
        false
      end

      def read_index(value, from)
        named = []
        at = 8
        while at < value.bytesize
          length, at = Varint.decode(value, at)
          topic = value.byteslice(at, length)
          count, at = Varint.decode(value, at + length)
          place = from
          places = Array.new([count, value.bytesize].min) do
            delta, at = Varint.decode(value, at)
            place += delta * UNIT
          end
          named << [topic, places]
        end
        named
      end
    end
  end
end
