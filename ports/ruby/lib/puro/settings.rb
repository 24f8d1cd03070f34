# frozen_string_literal: true

module Puro
  # What settings can be, and what holds where nothing is set (F-34, F-53).
  module Settings
    MOST = 2**64 - 1
    NUMBERS = {
      "segment_bytes" => [67_108_864, 4096..1_099_511_627_776],
      "retention_ms" => [0, 0..MOST],
      "retention_bytes" => [0, 0..MOST],
      "roll_ms" => [0, 0..MOST],
      "marker_grace_ms" => [86_400_000, 0..MOST],
      "pin_grace_ms" => [300_000, 0..MOST],
      "expiry_ms" => [604_800_000, 0..MOST],
      "keep_unconsumed_limit_bytes" => [0, 0..MOST],
      "keep_unconsumed_limit_ms" => [0, 0..MOST]
    }.freeze
    TRUTHS = %w[keep_unconsumed durable].freeze
    CLEANUPS = ["delete", "compact", "compact,delete"].freeze
    TOPIC = /\Acleanup:./mn

    module_function

    def known?(name) = NUMBERS.key?(name) || TRUTHS.include?(name) || name == "cleanup" || TOPIC.match?(name.b)

    # May the setting be this?
    def possible?(name, value)
      if NUMBERS.key?(name)
        value.match?(/\A(0|[1-9]\d{0,19})\z/n) && NUMBERS[name].last.cover?(value.to_i)
      elsif TRUTHS.include?(name)
        %w[true false].include?(value)
      else
        CLEANUPS.include?(value)
      end
    end

    def default(name)
      return NUMBERS[name].first.to_s if NUMBERS.key?(name)
      return "false" if TRUTHS.include?(name)

      "delete" if name == "cleanup"
    end

    # The text that holds: what is set, or the default. nil for a name that is no setting.
    def holds(name, value)
      name = name.b
      return nil unless known?(name)

      value && possible?(name, value.b) ? value.b : default(name)
    end

    # What somebody asks to set (F-53, O-1, C-6): what cannot be is refused; so is a name that may be misspelt.
    def check(name, value)
      raise Refused, "#{name} is no setting" unless known?(name.b)
      raise Refused, "#{name} cannot be #{value}" unless value.nil? || possible?(name.b, value.b)
    end
  end
end
