# frozen_string_literal: true

module Puro
  # Makes the file of a segment under its temporary name, and names it (V-4, V-5).
  class SegmentMaker
    def initialize(directory, header, state, highest_time)
      @directory = directory
      @header = header
      @state = state
      @highest_time = highest_time
      @header_bytes = header.encode
    end

    # Bytes of header and opening checkpoints, all signals high (V-4).
    def bytes
      @bytes ||= begin
        bodies = place(divide)
        durable_to = HEADER_BYTES + bodies.sum { |body, _| Block.length(body.bytesize) } # F-23
        crc = @header.crc
        bodies.reduce(@header_bytes.dup) do |bytes, (body, control)|
          block, crc = Block.encode(@header.crc, bytes.bytesize, body,
                                    kind: Body::CHECKPOINT, flags: control ? 1 : 0, record_count: 0, prev_crc: crc,
                                    first_offset: @header.base_offset, timestamp: @highest_time,
                                    durable_to: durable_to, epoch: @header.epoch)
          block.setbyte(0, Block::HIGH)
          bytes << block
        end
      end
    end

    # Writes, syncs and names it; gives the segment, open for writing. `like` is the stat of the one before (O-9).
    # The block is asked right before the rename (A-21).
    def make(like: nil)
      temporary = Names.temporary(@header.sequence)
      name = Names.segment(@header.sequence)
      io = fresh(temporary, like)
      Calls.pwrite(io, bytes, 0)
      Calls.fdatasync(io)
      yield
      raise Refused, "the name #{name} is taken" if @directory.stat(name) # V-5

      @directory.rename(temporary, name)
      @directory.sync
      Segment.open(@directory, @header.sequence, write: true)
    ensure
      io&.close
    end

    private

    # F-45: what may have the name is removed, and the file must not exist then.
    def fresh(temporary, like)
      @directory.unlink(temporary)
      @directory.open_file(temporary, File::RDWR | File::CREAT | File::EXCL, like: like)
    end

    # The whole state, ascending, in bodies of at most checkpoint_body_bytes unless a single entry is
    # larger (F-37, F-51).
    def divide
      @state.records.map(&:encode).each_with_object(["".b]) do |entry, bodies|
        full = !bodies.last.empty? && bodies.last.bytesize + entry.bytesize > CHECKPOINT_BODY_BYTES
        bodies << "".b if full
        bodies.last << entry
      end
    end

    # Each with the pad for its place (F-43), and whether it holds a control record (F-17).
    def place(bodies)
      position = HEADER_BYTES
      bodies.map do |body|
        body, = Forgery.guard(body, @header.crc, position)
        position += Block.length(body.bytesize)
        [body, !body.empty?]
      end
    end
  end
end
