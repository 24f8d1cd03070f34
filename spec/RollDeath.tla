------------------------------ MODULE RollDeath -----------------------------
(***************************************************************************)
(* Two writers that create a stream and roll, die at any step, and lose    *)
(* power: is what was answered as durable still there, and is there never  *)
(* a hole or a headless file where a segment should be?                    *)
(***************************************************************************)
EXTENDS Stream
=============================================================================
