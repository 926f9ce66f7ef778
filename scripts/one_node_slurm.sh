#!/usr/bin/env bash
# A real Slurm on this machine alone, with two fake GPUs, for the Slurm test: Debian or Ubuntu, as root.
#
#   scripts/one_node_slurm.sh start FOLDER   install if missing, start, wait until a job runs
#   scripts/one_node_slurm.sh stop FOLDER    stop it
#
# Everything but the packages lies in FOLDER. /etc/slurm/slurm.conf becomes a link to its slurm.conf
# (SLURM_CONF is not enough: Snakemake's job steps drop it); where that file already exists, a Slurm
# is configured on the machine, and the script leaves it alone and stops.
set -euo pipefail

action=${1:?start or stop}
folder=$(realpath -m "${2:?folder}")
configuration=/etc/slurm/slurm.conf

start() {
  if [ -e "$configuration" ]; then
    echo "$configuration exists: a Slurm is configured on this machine, nothing done" >&2
    exit 1
  fi
  command -v slurmctld >/dev/null && command -v munged >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
  }
  mkdir -p "$folder"/{state,spool}
  chmod 755 "$folder"
  local name
  name=$(hostname -s)
  dd if=/dev/urandom of="$folder/munge.key" bs=1024 count=1 status=none
  chmod 600 "$folder/munge.key"
  # Device nodes that no driver serves: Slurm only counts and hands them out.
  for gpu in 0 1; do
    [ -e "$folder/gpu$gpu" ] || mknod "$folder/gpu$gpu" c 195 "$gpu"
  done
  cat >"$folder/gres.conf" <<CONF
NodeName=$name Name=gpu File=$folder/gpu[0-1]
CONF
  cat >"$folder/slurm.conf" <<CONF
ClusterName=onenode
SlurmctldHost=$name(127.0.0.1)
SlurmUser=root
SlurmdUser=root
# A requeued job waits until its credential has expired, by default two minutes.
AuthInfo=socket=$folder/munge.socket,cred_expire=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# Jobs that are requeued or wait for a GPU are looked at each second, by default twice a minute.
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
KillWait=15
GresTypes=gpu
NodeName=$name NodeAddr=127.0.0.1 CPUs=$(getconf _NPROCESSORS_ONLN) RealMemory=1000 Gres=gpu:2
# Jobs of the second partition pre-empt those of the first, which are requeued.
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=debug Nodes=$name Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=$name MaxTime=INFINITE State=UP PriorityTier=2
CONF
  munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
  # -f replaces links that a machine which was switched off has left behind.
  ln -sf "$folder/slurm.conf" "$configuration"
  ln -sf "$folder/gres.conf" /etc/slurm/gres.conf
  slurmctld
  slurmd
  for _ in $(seq 30); do
    if timeout 10 srun -n1 true 2>/dev/null; then
      echo "Slurm runs; stop it with: $0 stop $folder"
      return
    fi
    sleep 1
  done
  echo "Slurm did not start; see $folder/slurmctld.log and $folder/slurmd.log" >&2
  stop
  exit 1
}

stop() {
  for daemon in slurmd slurmctld munged; do
    if [ -e "$folder/$daemon.pid" ]; then
      kill "$(cat "$folder/$daemon.pid")" 2>/dev/null || true
      rm -f "$folder/$daemon.pid"
    fi
  done
  # Only links that this script made.
  for name in slurm.conf gres.conf; do
    [ "$(readlink /etc/slurm/$name)" != "$folder/$name" ] || rm "/etc/slurm/$name"
  done
}

case $action in
  start) start ;;
  stop) stop ;;
  *) echo "unknown action $action: start or stop" >&2; exit 2 ;;
esac
