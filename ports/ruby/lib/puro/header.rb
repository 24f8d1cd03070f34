# frozen_string_literal: true

module Puro
  # The first 64 bytes of a segment (format.md, chapter 4).
  Header = Struct.new(:stream_id, :base_offset, :created, :sequence, :generation, :epoch, :crc,
                      keyword_init: true) do
    const_set :MAGIC, "\x8BPURO\r\n\x1A".b.freeze
    const_set :LAYOUT, "a8 v v v v a16 Q< Q< V V V V"
    const_set :VERSION, 1

    # F-12, in its order: magic, crc, version, features. `write` says that it is to be written behind.
    def self.parse(bytes, write: false)
      raise NotASegment, "the magic is wrong" unless bytes.byteslice(0, 8) == self::MAGIC
      raise Damaged, "the file is shorter than a header" if bytes.bytesize < HEADER_BYTES

      _, version, _compatible, read_compatible, incompatible, id, base, created, sequence, generation, epoch, crc =
        bytes.unpack(self::LAYOUT)
      raise Damaged, "the header's crc is wrong" unless crc == Crc32c.of(bytes.byteslice(0, 60))
      raise Newer, "the segment is of version #{version}" unless version == self::VERSION
      raise Newer, "the segment has features that are not known" unless incompatible.zero?
      raise Newer, "the segment has features that forbid to write" if write && !read_compatible.zero?

      new(stream_id: id, base_offset: base, created: created, sequence: sequence, generation: generation,
          epoch: epoch, crc: crc)
    end

    # Its bytes, all feature bits 0 (F-13); sets crc.
    def encode
      bytes = [self.class::MAGIC, self.class::VERSION, 0, 0, 0, stream_id, base_offset, created, sequence,
               generation, epoch, 0].pack(self.class::LAYOUT)
      self.crc = Crc32c.of(bytes.byteslice(0, 60))
      bytes.byteslice(0, 60) + [crc].pack("V")
    end
  end
end
