----------------------------- MODULE TokensDeath -----------------------------
(***************************************************************************)
(* As Tokens, with one request, and a writer that dies at any step: another*)
(* finds the block that raised the epoch and cannot know it to be on disk. *)
(***************************************************************************)
EXTENDS Segment
=============================================================================
