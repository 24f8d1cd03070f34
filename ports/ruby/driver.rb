# frozen_string_literal: true

# The kit's driver (spec/kit.md): one request a line, one answer a line.
#   puro-kit check -- ruby -I lib driver.rb
require "puro"
require_relative "kit/bytes"
require_relative "kit/directories"

module Kit
  class Driver
    include Bytes
    include Directories

    REQUESTS = (Bytes.public_instance_methods + Directories.public_instance_methods)
               .grep(/\Ado_/).map { |name| name.to_s.delete_prefix("do_") }.push("hello").sort

    def run
      $stdout.sync = true
      $stdin.set_encoding(Encoding::UTF_8)
      $stdin.each_line { |line| puts JSON.generate(answer(JSON.parse(line))) }
    end

    def do_hello(_) = { name: "ruby", requests: REQUESTS }

    private

    def answer(request)
      return { error: "unsupported" } unless REQUESTS.include?(request["do"])

      public_send("do_#{request["do"]}", request.compact) || {}
    rescue Puro::NotASegment => e
      { error: request["do"] == "header" ? "foreign" : "damaged", text: e.message }
    rescue Puro::Error => e
      { error: e.word, text: e.message }
    rescue SystemCallError, IOError => e
      { error: "system", text: e.message }
    end
  end
end

Kit::Driver.new.run if $PROGRAM_NAME == __FILE__
