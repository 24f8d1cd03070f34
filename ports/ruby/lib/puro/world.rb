# frozen_string_literal: true

require "securerandom"

module Puro
  # What decides over the bytes besides what is asked for: clock, boot, chance.
  class World
    attr_writer :clock
    attr_reader :boot

    def initialize(clock: nil, boot: nil, random: nil)
      @clock = clock
      @boot = boot || World.system_boot
      @random = random
    end

    # Milliseconds since 1970 (F-5).
    def now = @clock || Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)

    def stream_id = @random || SecureRandom.random_bytes(16)

    # Unknown is never equal to anything (M-7).
    def boot_known? = @boot != NO_BOOT
    def this_boot?(boot) = boot_known? && boot == @boot

    # The 32 digits in their order, without the hyphens (M-9); unknown where the system has none.
    def self.system_boot
      text = File.read("/proc/sys/kernel/random/boot_id").delete("-").strip
      text.match?(/\A\h{32}\z/) ? [text].pack("H*") : NO_BOOT
    rescue SystemCallError
      NO_BOOT
    end
  end
end
