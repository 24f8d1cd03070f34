# frozen_string_literal: true

require_relative "helper"

# Port and program in one directory.
class TestMix < Minitest::Test
  include Helper

  def test_each_reads_the_other
    path = stream(segment_bytes: "4096")
    10.times do |i|
      append(path, "ruby #{i}" * 40)
      out, status = program("produce", path, "-t", "t", input: "#{"program #{i}" * 40}\n")
      assert_predicate status, :success?, out
    end
    out, = program("consume", path, "-e")
    assert_equal out.lines.map(&:chomp), read(path).first
    assert_equal 20, out.lines.size
    out, status = program("verify", "--deep", path)
    assert_predicate status, :success?, out
  end

  def test_one_position
    path = stream
    append(path, "a", "b", "c")
    out, = program("consume", path, "-e", "--name", "me", "-c", "1")
    assert_equal "a\n", out
    consumer = Puro::Consumer.open(path, "me")
    assert_equal "b", consumer.next_record.value
    consumer.commit
    consumer.close
    out, = program("consume", path, "-e", "--name", "me")
    assert_equal "c\n", out
  end

  # Writers of both kinds are killed. What was acknowledged is there, in its order, and once; what was not, at most once.
  def test_kills
    skip "no program at #{PROGRAM}" unless File.executable?(PROGRAM)
    path = stream(segment_bytes: "16384")
    acknowledged = Array.new(30) { |round| one_round(path, round, Random.new(round)) }.flatten
    append(path, "last")
    out, status = program("verify", "--deep", path)
    assert_predicate status, :success?, out
    values = read(path).first
    assert_equal values.uniq, values
    assert_empty acknowledged - values
    by_writer = values.grep(/:/).group_by { |value| value[/\A[^:]+/] }
    by_writer.each_value { |mine| assert_equal mine.sort_by { |value| value[/\d+\z/].to_i }, mine }
  end

  def one_round(path, round, random)
    files = %w[r p].map { |kind| File.join(@tmp, "#{kind}#{round}") }
    pids = [fork { write_for_ever(path, "r#{round}", files[0]) },
            fork { feed_program(path, "p#{round}", files[1]) }]
    sleep(0.1 + random.rand * 0.1)
    pids.each { |pid| Process.kill(:KILL, -pid) rescue Process.kill(:KILL, pid) }
    pids.each { |pid| Process.wait(pid) }
    files.flat_map { |file| File.exist?(file) ? File.readlines(file, chomp: true) : [] }
  end

  def write_for_ever(path, name, told)
    Process.setpgrp
    producer = Puro::Producer.open(path)
    (0..).each do |i|
      producer.append([record("#{name}:#{"x" * (i % 7 * 60)}#{i}")], durable: (i % 5).zero?)
      File.write(told, "#{name}:#{"x" * (i % 7 * 60)}#{i}\n", mode: "a")
    end
  ensure
    exit!(1)
  end

  # `--tee` tells what is appended.
  def feed_program(path, name, told)
    Process.setpgrp
    input, output = IO.pipe
    fork do
      output.close
      exec(PROGRAM, "produce", path, "-t", "t", "--tee", in: input, out: [told, "a"], err: File::NULL)
    end
    input.close
    (0..).each { |i| output.write("#{name}:#{"y" * (i % 5 * 50)}#{i}\n") && sleep(0.001) }
  ensure
    exit!(1)
  end
end
