# frozen_string_literal: true

module Puro
  # The first 48 bytes of a block (format.md, chapter 5).
  Start = Struct.new(:signal, :kind, :flags, :body_len, :record_count, :prev_crc, :first_offset, :timestamp,
                     :durable_to, :epoch, :start_crc, keyword_init: true) do
    const_set :LAYOUT, "C C v V V V Q< Q< Q< V V"

    def self.parse(bytes) = new(**members.zip(bytes.unpack(self::LAYOUT)).to_h)

    # The start at `position`, if one *stands* there (F-43): its checksum first (F-20), then what its
    # fields can be by themselves. nil where none does.
    def self.standing(bytes, header_crc, position)
      return nil if bytes.bytesize < START_BYTES

      start = parse(bytes)
      start if start.start_crc == Block.start_crc(bytes, header_crc, position) && start.possible?
    end

    def possible?
      kind.between?(1, 3) && flags <= 1 && body_len <= MAX_BODY_BYTES &&
        (kind != Body::RECORDS || body_len.positive?) && # F-16
        (kind == Body::RECORDS || record_count.zero?) && # F-18
        first_offset + record_count < 2**64
    end

    def encode = to_a.pack(self.class::LAYOUT)
    def control? = flags == 1
    def high? = signal == Block::HIGH
    def length = Block.length(body_len)
    def next_offset = first_offset + record_count
  end

  # A whole block: how it is made, and how it is checked.
  module Block
    LOW = 0x00
    HIGH = 0xA5

    # What check says. `is` is one of :nothing, :invalid, :valid, :good, :committed (F-24).
    Finding = Struct.new(:is, :start, :crc, :body) do
      def committed? = is == :committed
      def valid? = %i[valid good committed].include?(is)
    end

    module_function

    # F-15
    def length(body_len) = (START_BYTES + body_len + END_BYTES + UNIT - 1) / UNIT * UNIT

    # F-19: the seed is the header's crc and the position.
    def start_crc(bytes, header_crc, position)
      Crc32c.of(bytes.byteslice(1, 43), Crc32c.of([header_crc, position].pack("VQ<")))
    end

    # The bytes of a block, and its crc.
    def encode(header_crc, position, body, **fields)
      start = Start.new(signal: LOW, start_crc: 0, body_len: body.bytesize, **fields)
      raise Refused, "a body of #{body.bytesize} bytes is too large" if body.bytesize > MAX_BODY_BYTES # F-16
      raise Refused, "no offset is left" if start.next_offset >= 2**64 # F-18

      start.start_crc = start_crc(start.encode, header_crc, position)
      pad = "\0".b * (start.length - START_BYTES - body.bytesize - END_BYTES)
      rest = body.b << pad << [body.bytesize].pack("V")
      crc = Crc32c.of(rest, start.start_crc)
      [start.encode << rest << [crc].pack("V"), crc]
    end

    # The block at `position` of something that gives bytes by pread(length, position), as pseudocode.md,
    # *Check one block*. `before` is what it is to continue: crc and next_offset.
    def check(file, position, header_crc, generation, before)
      bytes = file.pread(START_BYTES, position)
      return Finding.new(:nothing) if bytes.bytesize < START_BYTES

      start = Start.standing(bytes, header_crc, position)
      return Finding.new(:invalid) unless start && [LOW, HIGH].include?(start.signal) # F-17, F-20

      rest = file.pread(start.length - START_BYTES, position + START_BYTES)
      whole?(start, rest) ? judge(start, rest, generation, before) : Finding.new(:invalid)
    end

    # Pad, length and crc behind the start (F-15, F-19, F-24).
    def whole?(start, rest)
      return false if rest.bytesize < start.length - START_BYTES

      pad = rest.byteslice(start.body_len, rest.bytesize - start.body_len - END_BYTES)
      end_body_len, crc = rest.byteslice(-END_BYTES, END_BYTES).unpack("VV")
      pad.count("^\0").zero? && end_body_len == start.body_len &&
        crc == Crc32c.of(rest.byteslice(0, rest.bytesize - 4), start.start_crc)
    end

    # The chain (F-21), then the signal (F-24).
    def judge(start, rest, generation, before)
      continues = start.prev_crc == before.crc &&
                  (generation.zero? ? start.first_offset == before.next_offset : start.first_offset >= before.next_offset)
      is = if !continues then :valid
           elsif start.high? then :committed
           else :good
           end
      Finding.new(is, start, rest.byteslice(-4, 4).unpack1("V"), rest.byteslice(0, start.body_len))
    end
  end
end
