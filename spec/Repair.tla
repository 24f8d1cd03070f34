------------------------------- MODULE Repair -------------------------------
(***************************************************************************)
(* What a writer does when it does not find a clean end (chapter 5), and   *)
(* what it does after a sync that failed (A-14).                           *)
(*                                                                         *)
(* The row of the recovery table is chosen in File; here it is carried out *)
(* one step at a time, since the repairer too can die between any two. The *)
(* cut and its sync are two steps: between them another writer may find a  *)
(* file that looks clean though the disk has the old tail still.           *)
(***************************************************************************)
EXTENDS Appending

(***************************************************************************)
(* Repair, chapter 5.                                                      *)
(***************************************************************************)

After(w) == IF w \in suspect THEN "rewrite" ELSE "ready"

\* A-5
LongerThanEnd(w) == len >= EndOf(mem[w])

\* X-1
Classify(w) ==
  /\ pc[w] = "looked"
  /\ LET row == IF LongerThanEnd(w) THEN Row(mem[w], boot) ELSE "clean" IN
     /\ pc' = [pc EXCEPT ![w] =
                 CASE row = "clean" -> After(w)
                   [] row \in {"zeros", "unseen"} -> "cut"
                   [] row = "lost" -> "save"
                   [] OTHER -> "stop"]
     /\ must' = IF row = "lost" THEN must \cup {w} ELSE must
  /\ UNCHANGED <<fileVars, lock, mem, known, job, left, suspect, untold, req, ghostVars>> /\ Quiet

\* X-2
StopDamaged(w) ==
  /\ Go(w, "stop", "idle")
  /\ lock' = 0 /\ alarm' = TRUE
  /\ UNCHANGED <<fileVars, mem, known, job, left, must, suspect, untold, req,
                 acked, flipped, gone, cut, kept, torn>> /\ Quiet

\* X-4
SaveTail(w) ==
  /\ Go(w, "save", "cut")
  /\ kept' = kept \cup TailBlocks(w)
  /\ UNCHANGED <<fileVars, lock, mem, known, job, left, must, suspect, untold, req,
                 acked, flipped, gone, cut, torn, alarm>> /\ Quiet

\* X-5
Truncate(w) ==
  /\ Go(w, "cut", "cutsync")
  /\ SetLength(EndOf(mem[w]) - 1)
  /\ Truncated(w)
  /\ UNCHANGED <<made, lock, mem, known, job, left, must, suspect, untold, req,
                 acked, flipped, kept, torn, alarm>> /\ Quiet

\* X-5
SyncCut(w) ==
  /\ w \notin untold
  /\ Go(w, "cutsync", After(w))
  /\ SyncFile
  /\ UNCHANGED <<made, lock, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

(***************************************************************************)
(* Failed syncs. All that have the file open are told, each by its next    *)
(* sync; the one that called is told now (M-6).                            *)
(***************************************************************************)

Syncs == {"sync", "raised", "cutsync", "resync", "ready"}
AfterFail(w) == IF pc[w] = "sync" THEN "mend" ELSE "idle"
Told(w) ==
  /\ suspect' = suspect \cup {w}
  /\ pc' = [pc EXCEPT ![w] = AfterFail(w)]
  /\ lock' = IF lock = w THEN 0 ELSE lock
  /\ UNCHANGED <<made, mem, known, job, left, must, req, rd, boot, deaths, giveups, ghostVars>>

\* M-6
SyncFails(w) ==
  /\ fails < MaxFails /\ fails' = fails + 1
  /\ pc[w] \in Syncs
  /\ pc[w] = "ready" => ~NeedsEpoch(w) /\ ~MustRaise(w) /\ ~EpochOnDisk(w)
  /\ SyncFileFails
  /\ untold' = Writers \ {w}
  /\ Told(w)

\* M-6
SyncTells(w) ==
  /\ w \in untold /\ untold' = untold \ {w}
  /\ pc[w] \in Syncs
  /\ pc[w] = "ready" => ~NeedsEpoch(w) /\ ~MustRaise(w) /\ ~EpochOnDisk(w)
  /\ UNCHANGED <<unit, len, may, mayLen, forgot, fails>>
  /\ Told(w)

\* A-14
Rewrite(w) ==
  /\ Go(w, "rewrite", "resync")
  /\ WriteAgain(known[w])
  /\ UNCHANGED <<made, lock, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* A-14
SyncAgain(w) ==
  /\ w \notin untold
  /\ Go(w, "resync", "ready")
  /\ SyncFile
  /\ suspect' = suspect \ {w}
  /\ known' = [known EXCEPT ![w] = EndOf(mem[w])]
  /\ UNCHANGED <<made, lock, mem, job, left, must, untold, req, ghostVars>> /\ Quiet
=============================================================================
