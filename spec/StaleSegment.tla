---------------------------- MODULE StaleSegment ----------------------------
(***************************************************************************)
(* Two writers, three segments, one item that is damaged and one removal   *)
(* of the stream: who remembers what stands in a segment that was sealed   *)
(* or taken since changes nothing there.                                   *)
(***************************************************************************)
EXTENDS Elsewhere
=============================================================================
