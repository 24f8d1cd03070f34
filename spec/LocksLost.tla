------------------------------ MODULE LocksLost -----------------------------
(***************************************************************************)
(* Three writers, which may keep the lock from one append to the next, and *)
(* a lock file that loses its name: who can write at once, and how much?   *)
(***************************************************************************)
EXTENDS Locks
=============================================================================
