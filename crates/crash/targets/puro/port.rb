# frozen_string_literal: true

# What a port prints, by the one in Ruby:
#   crates/crash/targets/run port ruby -I $PWD/ports/ruby/lib crates/crash/targets/puro/port.rb
require "puro"

$stdout.sync = true
long = "." * 600
Puro::Creation.create("s", settings: { "segment_bytes" => "4096" })
puts "s created"
# Four producers, two records each: every one opens the stream anew, and repairs what it finds.
1.step(7, 2) do |first|
  producer = Puro::Producer.open("s")
  [first, first + 1].each do |number|
    producer.append([Puro::Record.new(topic: "t", value: "record #{number} #{long}")], durable: true)
    puts "s record #{number}"
  end
  producer.close
end
