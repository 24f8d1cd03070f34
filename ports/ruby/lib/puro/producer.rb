# frozen_string_literal: true

module Puro
  # Appends records to a stream that is there (chapter 4).
  class Producer
    Appended = Struct.new(:first_offset, :count, :duplicate)

    attr_reader :writer

    def self.open(path, **options) = new(Writer.open(path, **options))

    def initialize(writer)
      @writer = writer
    end

    # All records as one block, one transaction (A-15). `durable`: nil leaves it to the setting.
    def append(records, durable: nil, if_end: nil, identity: nil, sequence: nil)
      Names.check(identity) if identity
      bytes = Producer.encode(records)
      @writer.locked do
        @writer.catch_up
        durable = setting_durable? if durable.nil?
        entry = Conditions.duplicate(@writer, identity, sequence, records) if identity
        next repeated(entry, durable) if entry

        Conditions.check_end(@writer, if_end) if if_end # behind C-4: a retry is no conflict
        Appended.new(@writer.append(bytes, records.size, durable: durable, &entries(identity, sequence, records.size)),
                     records.size, false)
      end
    end

    # Sets a setting, or unsets it (C-6).
    def set(name, value)
      Settings.check(name, value)
      entry = Record.control("setting", key: name.b, value: value&.b)
      entry.encode # a name may be too long
      @writer.locked do
        @writer.catch_up
        @writer.append("".b, 0, durable: setting_durable?) { [entry] }
      end
      nil
    end

    # What was repaired (X-8).
    def repair
      @writer.repairs.clear
      @writer.locked { @writer.catch_up } unless nothing_to_do?
      @writer.repairs.dup
    end

    def lock_seconds=(seconds)
      @writer.lock_seconds = seconds
    end

    def close = @writer.close

    # F-30, F-16; one block holds them all.
    def self.encode(records)
      raise Refused, "there is no record" if records.empty?

      bytes = records.map(&:encode).join
      raise Refused, "the records exceed #{MAX_BODY_BYTES} bytes" if bytes.bytesize > MAX_BODY_BYTES

      bytes
    end

    private

    def setting_durable? = @writer.chain.state.setting("durable") == "true"

    def entries(identity, sequence, count)
      return nil unless identity

      ->(writer) { [Conditions.producer_entry(writer, identity, sequence, count)] }
    end

    # Answered as the first was; a durable one only after a sync (C-4).
    def repeated(entry, durable)
      @writer.sync_appended if durable
      Appended.new(entry.first_offset, entry.record_count, true)
    end

    # O-9: no lock file is made for a clean end.
    def nothing_to_do?
      chain = @writer.chain
      @writer.directory.stat(Names::WRITER_LOCK).nil? && !chain.sealed? && chain.segment.named&.nlink == 1 &&
        Diagnosis.new(chain, @writer.world).label == "clean"
    end
  end
end
