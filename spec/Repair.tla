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

Finding(w) ==
  IF NotClean(w, mem[w], pc[w] = "looked") THEN Row(mem[w], boot, KnownTo(w, mem[w])) ELSE "clean"

\* X-1
Classify(w) ==
  /\ pc[w] \in {"looked", "glanced"}
  /\ LET row == Finding(w) IN
     /\ pc' = [pc EXCEPT ![w] =
                 CASE row = "clean" -> "ready"
                   [] row = "unseen" -> "cut"
                   [] row = "lost" -> "save"
                   [] OTHER -> "stop"]
     /\ must' = IF row = "lost" THEN must \cup {w} ELSE must
  /\ UNCHANGED <<fileVars, lock, mem, known, job, left, suspect, untold, req, ghostVars>> /\ Quiet

\* X-2
StopDamaged(w) ==
  /\ Go(w, "stop", "idle")
  /\ lock' = 0 /\ alarm' = TRUE
  /\ UNCHANGED <<fileVars, mem, known, job, left, must, suspect, untold, req,
                 acked, flipped, gone, cut, kept, hurt, torn>> /\ Quiet

\* X-4
SaveTail(w) ==
  /\ Go(w, "save", "cut")
  /\ kept' = kept \cup TailBlocks(w)
  /\ UNCHANGED <<fileVars, lock, mem, known, job, left, must, suspect, untold, req,
                 acked, flipped, gone, cut, hurt, torn, alarm>> /\ Quiet

\* X-5
Truncate(w) ==
  /\ Go(w, "cut", "cutsync")
  /\ SetLength(EndOf(mem[w]) - 1)
  /\ Truncated(w)
  /\ UNCHANGED <<made, lock, mem, known, job, left, must, suspect, untold, req,
                 acked, flipped, kept, hurt, torn, alarm>> /\ Quiet

\* X-5
SyncCut(w) ==
  /\ w \notin untold /\ w \notin suspect
  /\ Go(w, "cutsync", "ready")
  /\ SyncFile     \* not `known`: what follows must not show who cut (X-7)
  /\ UNCHANGED <<made, lock, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

(***************************************************************************)
(* Failed syncs. Whoever has the file open is told, each by its next sync; *)
(* the one that called is told now (M-6). Who was told is suspect, and     *)
(* does not even try another sync that is to make something known: it      *)
(* rewrites, under the lock, as soon as it needs one: at once where it     *)
(* holds the lock. So writers that remember nothing yet may be processes   *)
(* that open the file only after the failure, and are never told.          *)
(***************************************************************************)

IsSync(w) ==
  \/ pc[w] \in {"resync", "mendsync"}
  \/ w \notin suspect /\ (pc[w] \in {"cutsync", "sync", "raised"} \/ WantsSyncEpoch(w))
AfterFail(w) ==
  CASE pc[w] = "resync" -> "idle"
    [] pc[w] = "mendsync" -> "done"
    [] OTHER -> pc[w]
Told(w) ==
  /\ suspect' = suspect \cup {w}
  /\ pc' = [pc EXCEPT ![w] = AfterFail(w)]
  /\ lock' = IF AfterFail(w) = "idle" THEN 0 ELSE lock
  /\ UNCHANGED <<made, mem, known, expects, job, left, must, req, rd, boot, deaths, giveups, harms, ghostVars>>

\* M-6
SyncFails(w) ==
  /\ fails < MaxFails /\ fails' = fails + 1
  /\ IsSync(w)
  /\ SyncFileFails
  /\ \/ untold' = Writers \ {w}
     \/ lock = w /\ untold' = {v \in Writers \ {w} : mem[v] # <<>>}
  /\ Told(w)

\* M-6
SyncTells(w) ==
  /\ w \in untold /\ untold' = untold \ {w}
  /\ IsSync(w)
  /\ UNCHANGED <<unit, len, may, mayLen, forgot, fails>>
  /\ Told(w)

\* A-14
Rewrite(w) ==
  /\ w \in suspect
  /\ \/ Go(w, "cutsync", "resync")
     \/ Go(w, "raised", "resync")
     \/ WantsSyncEpoch(w) /\ Go(w, "ready", "resync")
     \/ Go(w, "mending", "mendsync")
  /\ WriteAgain(known[w])
  /\ UNCHANGED <<made, lock, mem, known, job, left, must, suspect, untold, req, ghostVars>> /\ Quiet

\* A-14
SyncAgain(w) ==
  /\ w \notin untold
  /\ SyncFile
  /\ suspect' = suspect \ {w}
  /\ known' = [known EXCEPT ![w] = EndOf(mem[w])]
  /\ \/ Go(w, "resync", "ready") /\ UNCHANGED <<req, acked>>
     \/ /\ Go(w, "mendsync", "mended")
        /\ acked' = acked \cup {Request(w)}
        /\ req' = [req EXCEPT ![w] = @ + 1]
  /\ UNCHANGED <<made, lock, mem, job, left, must, untold,
                 flipped, gone, cut, kept, hurt, torn, alarm>> /\ Quiet
=============================================================================
