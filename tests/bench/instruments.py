"""What the benchmarks measure with: the load, and the mail hosts that it ends up at (smtp_bench)."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import traceback

from world import netns, pki

from . import relays


def bench_program(build):
    for candidate in (build / 'tests' / 'bench' / 'smtp_bench', build / 'smtp_bench'):
        if os.access(candidate, os.X_OK):
            return str(candidate)
    sys.exit(f'no smtp_bench in {build}: build it (ninja smtp_bench), or name the build directory with --build')


class Sink:
    def __init__(self, program, work, credential, expect, latency_ms=0, port=25, options=()):
        self.out = work / 'arrivals'
        certificate, key = work / 'sink.crt', work / 'sink.key'
        certificate.write_text(credential.chain_pem())
        key.write_text(pki.key_pem(credential.key))
        self.process = subprocess.Popen(
            [program, 'sink', '--certificate', certificate, '--key', key, '--out', self.out, '--expect', str(expect),
             '--latency-ms', str(latency_ms), '--port', str(port), *options],
            stdout=subprocess.PIPE, text=True, preexec_fn=netns.die_with_parent)
        assert self.process.stdout.readline() == 'ready\n'

    def wait_done(self):
        return self.process.stdout.readline() == 'done\n'

    def cpu(self):
        fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def finish(self):
        """Totals, and number -> times of arrival in seconds."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        lines = self.out.read_text().splitlines()
        words = lines[0].split()
        arrivals = {}
        for line in lines[1:]:
            number, at, _ = line.split()
            arrivals.setdefault(int(number), []).append(int(at) / 1e9)
        return dict(zip(words[::2], map(int, words[1::2]))), arrivals


def load(program, work, workload, port=relays.PORT, tls='no'):
    """Runs until all is accepted: when each message began and was accepted, in seconds."""
    out = work / 'accepts'
    command = [program, 'load', '--out', out, '--port', str(port), '--tls', tls]
    for option in ('connections', 'messages', 'size', 'domains', 'rate', 'first_domain', 'first_number'):
        if option in workload:
            command += ['--' + option.replace('_', '-'), str(workload[option])]
    subprocess.run(command, check=True, timeout=600)
    return [tuple(int(f) / 1e9 for f in line.split()[1:]) for line in out.read_text().splitlines()]


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def apart(work, measure):
    """Measures in a process of its own, so that all it started ends with it (name servers too: the next one's would not be
    asked): the figures, or None when it failed."""
    out = work / 'figures'
    child = os.fork()
    if child == 0:
        code = 1
        try:
            out.write_text(json.dumps(measure()))
            code = 0
        except Exception:
            traceback.print_exc()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if status:
        relays.end_left_overs(child)
        return None
    return json.loads(out.read_text())
