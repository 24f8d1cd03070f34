# frozen_string_literal: true

module Puro
  # The state of a stream (F-37): the fold of all entries. Entries of unknown kinds are carried along (F-32).
  class State
    Epoch = Struct.new(:number, :first_offset, :boot, :time) do
      def entry
        Record.control("epoch", key: [number].pack("V"), value: [first_offset, boot, time].pack("Q<a16Q<"))
      end
    end

    def initialize
      @entries = {}
    end

    # What a block sets. Its body is decoded only where flag bit 0 says that entries are there (F-24).
    def fold(start, body)
      return unless start.control?

      Body.each(body) { |record| set(record, start.first_offset) if record.entry? }
    end

    # An entry of a block that begins at this offset.
    def set(entry, first_offset = 0)
      place = [entry.topic, entry.key]
      if entry.value
        @entries[place] = entry.value
      else
        @entries.delete(place)
      end
      note_epoch(entry, first_offset) if entry.topic == "epoch"
    end

    def value(kind, key) = @entries[[kind.b, key.b]]

    # Kind, key and value, ascending bytewise by kind and then by key (F-37).
    def sorted = @entries.sort.map { |(kind, key), value| [kind, key, value] }

    def records = sorted.map { |kind, key, value| Record.control(kind, key: key, value: value) }

    def setting(name) = Settings.holds(name, value("setting", name))

    # The epochs in the order of their numbers (F-35). That an entry did not fit is damage for whoever
    # asks (F-32), also where a later one took its place (F-24).
    def epochs
      raise Damaged, "an entry epoch cannot be read" if @unfit

      @epochs ||= @entries.filter_map do |(kind, key), value|
        Epoch.new(key.unpack1("V"), *value.unpack("Q<a16Q<")) if kind == "epoch"
      end.sort_by(&:number)
    end

    # Where there is none, it is 0, of an unknown boot (E-2).
    def newest_epoch = epochs.last || Epoch.new(0, 0, NO_BOOT, 0)

    private

    # No epoch begins behind the block that tells of it, or before an older one (F-35).
    def note_epoch(entry, first_offset)
      @unfit ||= entry.key.bytesize != 4 || (entry.value && entry.value.bytesize != 32)
      @epochs = nil
      return if @unfit || entry.value.nil?

      begins = epochs.map(&:first_offset)
      @unfit = begins != begins.sort || entry.value.unpack1("Q<") > first_offset
    end
  end
end
