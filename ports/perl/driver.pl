#!/usr/bin/perl
# The driver for puro-kit: `puro-kit check -- perl driver.pl`.
use v5.36;
use FindBin;
use lib "$FindBin::Bin/lib";
use Puro::Kit::Driver;

Puro::Kit::Driver::run();
