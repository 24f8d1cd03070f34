# frozen_string_literal: true

module Puro
  # A record, of a user or of control (format.md, chapters 6 and 7). `offset` and `time` are known of one
  # that was read (F-29).
  Record = Struct.new(:topic, :key, :value, :headers, :control, :offset, :time, keyword_init: true) do
    const_set :KEY, 1
    const_set :VALUE, 2
    const_set :HEADERS, 4
    const_set :CONTROL, 8

    # A record of control (F-31): its kind is the topic.
    def self.control(kind, key: nil, value: nil) = new(topic: kind.b, key: key, value: value, control: true)

    # One record of `bytes` at `at`, and the place behind it. What its encoder would not have made is
    # refused (F-6, F-27, F-28, F-30).
    def self.decode(bytes, at)
      raise Damaged, "a record ends beyond its body" if at + 4 > bytes.bytesize

      crc = bytes.byteslice(at, 4).unpack1("V")
      length, from = Varint.decode(bytes, at + 4)
      till = from + length
      raise Damaged, "a record ends beyond its body" if till > bytes.bytesize
      raise Damaged, "a record's crc is wrong" unless crc == Crc32c.of(bytes.byteslice(at + 4, till - at - 4))

      [Fields.new(bytes, from, till).record, till]
    end

    # Its bytes; a limit that it exceeds is refused (F-30).
    def encode
      check
      rest = [attributes].pack("C") << Varint.encode(topic.bytesize) << topic.b
      rest << Varint.encode(key.bytesize) << key.b if key
      rest << encoded_headers if headers?
      rest << value.b if value
      tail = Varint.encode(rest.bytesize) << rest
      [Crc32c.of(tail)].pack("V") << tail
    end

    def headers? = !headers.nil? && !headers.empty?
    def entry? = control && !key.nil?
    def control?(kind) = control && key.nil? && topic == kind

    private

    def attributes
      (key ? Record::KEY : 0) | (value ? Record::VALUE : 0) | (headers? ? Record::HEADERS : 0) |
        (control ? Record::CONTROL : 0)
    end

    def encoded_headers
      headers.each_with_object(Varint.encode(headers.size)) do |(name, content), bytes|
        bytes << Varint.encode(name.bytesize) << name.b << Varint.encode(content.bytesize) << content.b
      end
    end

    def check
      raise Refused, "a topic has 1 to #{MAX_TOPIC_BYTES} bytes" unless topic.bytesize.between?(1, MAX_TOPIC_BYTES)
      raise Refused, "a key has at most #{MAX_KEY_BYTES} bytes" if key && key.bytesize > MAX_KEY_BYTES
      raise Refused, "a value has at most #{MAX_VALUE_BYTES} bytes" if value && value.bytesize > MAX_VALUE_BYTES
      raise Refused, "a delete marker has a key" if value.nil? && key.nil? # F-27
      return unless headers?
      raise Refused, "a header has a name" if headers.any? { |name, _| name.empty? } # F-26
      raise Refused, "headers exceed #{MAX_HEADERS_BYTES} bytes" if encoded_headers.bytesize > MAX_HEADERS_BYTES
    end
  end

  # Reads the fields of one record out of bytes `at`..`till`.
  class Fields
    def initialize(bytes, at, till)
      @bytes = bytes
      @at = at
      @till = till
    end

    def record
      attributes = take(1).getbyte(0)
      raise Damaged, "attribute bits 4 to 7 are not 0" if attributes > 15 # F-27

      topic = sized(1, MAX_TOPIC_BYTES)
      key = sized(0, MAX_KEY_BYTES) if attributes & Record::KEY != 0
      headers = read_headers if attributes & Record::HEADERS != 0
      value = read_value(attributes & Record::VALUE != 0, key)
      control = attributes & Record::CONTROL != 0
      raise Damaged, "a control record has headers" if control && headers # F-31

      Record.new(topic: topic, key: key, value: value, headers: headers, control: control)
    end

    private

    def read_value(present, key)
      left = @till - @at
      if present
        raise Damaged, "a value is too long" if left > MAX_VALUE_BYTES

        return take(left)
      end
      raise Damaged, "a delete marker has no key" unless key
      raise Damaged, "bytes stand behind a delete marker" unless left.zero?
    end

    def read_headers
      from = @at
      count = varint
      # Each takes three bytes at least (F-30: before anything is allocated).
      raise Damaged, "a record cannot have #{count} headers" if count < 1 || count > (@till - @at) / 3

      headers = Array.new(count) { [sized(1, MAX_HEADERS_BYTES), sized(0, MAX_HEADERS_BYTES)] }
      raise Damaged, "headers are too long" if @at - from > MAX_HEADERS_BYTES

      headers
    end

    def sized(least, most)
      length = varint
      raise Damaged, "a length of #{length} cannot be" unless length.between?(least, most)

      take(length)
    end

    def varint
      value, @at = Varint.decode(@bytes, @at, @till)
      value
    end

    def take(length)
      raise Damaged, "a field ends beyond its record" if @at + length > @till

      @at += length
      @bytes.byteslice(@at - length, length)
    end
  end
end
