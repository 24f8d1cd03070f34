# frozen_string_literal: true

$LOAD_PATH.unshift File.expand_path("../lib", __dir__)
require "minitest/autorun"
require "tmpdir"
require "fileutils"
require "open3"
require "puro"

module Helper
  VECTORS = File.expand_path(ENV["PURO_VECTORS"] || "../../spec/vectors", __dir__)
  PROGRAM = ENV["PURO_PROGRAM"] || File.expand_path("../../bin/puro", __dir__)
  BOOT = ("\xB1" * 16).b
  START = 1_767_225_600_000 # 2026-01-01

  def setup = @tmp = Dir.mktmpdir("puro")
  def teardown = FileUtils.rm_rf(@tmp)

  def stream(**settings)
    path = File.join(@tmp, "stream")
    Puro::Creation.create(path, settings: settings.transform_keys(&:to_s))
    path
  end

  def golden(name)
    FileUtils.cp_r(File.join(VECTORS, name), @tmp)
    File.join(@tmp, name)
  end

  def record(value, topic: "t", **rest) = Puro::Record.new(topic: topic, value: value, **rest)

  def append(path, *values, **options)
    producer = Puro::Producer.open(path)
    producer.append(values.map { |value| record(value) }, **options)
  ensure
    producer&.close
  end

  # All values, and how it ended.
  def read(path, at: :beginning)
    reader = Puro::Reader.open(path, at: at)
    values = []
    while (found = reader.next_record)
      values << found.value
    end
    [values, "end"]
  rescue Puro::Error => e
    [values, e.word]
  ensure
    reader&.close
  end

  def program(*arguments, input: "")
    skip "no program at #{PROGRAM}" unless File.executable?(PROGRAM)
    Open3.capture2(PROGRAM, *arguments, stdin_data: input, err: File::NULL)
  end
end
