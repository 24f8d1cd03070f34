# frozen_string_literal: true

module Puro
  # How a stream's directory is found (O-8, M-1).
  module Stream
    module_function

    def directory(path, network: false)
      held = Directory.open(path)
      refuse_network(held) unless network
      held
    rescue Errno::ENOENT, Errno::ENOTDIR
      raise NotAStream, "there is no #{path}"
    end

    # M-1: a network file system is refused unless the user says otherwise.
    def refuse_network(held)
      return unless Filesystem.network?(held.io)

      held.close
      raise Refused, "#{held.given} is on a network file system"
    end
  end
end
