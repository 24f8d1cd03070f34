------------------------------ MODULE LocksLive -----------------------------
(***************************************************************************)
(* Two writers, a steward and a consumer: no deadlock, some writer always  *)
(* gets on, what is committed is seen, and the steward comes back.         *)
(***************************************************************************)
EXTENDS Locks
=============================================================================
