/**
 * A container as an engine makes it without us: the positive control of a security test. What works
 * here and not in a sandbox is what the sandbox prevents.
 */
import type Docker from 'dockerode'
import type { Engine } from '../../src/sandbox/connect.ts'
import { AttachDemux } from '../../src/sandbox/demux.ts'

export interface PlainContainer {
  id: string
  /** Runs a shell text and gives its standard output. */
  run(script: string, options?: { user?: string }): Promise<{ stdout: string; exitCode: number }>
}

export interface PlainOptions {
  /** Every capability a root of a nested machine has, no filter, no mask, the devices of the host. */
  careless?: boolean
  /** The network, the processes and the shared memory of the host. */
  hostNamespaces?: boolean
  /** `source:target`, as a careless user would write it. */
  binds?: string[]
  user?: string
}

const PLAIN = 'openexec.test-control'

/** As privileged, but for the one capability that an engine in a nested machine may lack itself. */
const CARELESS: Docker.HostConfig = {
  CapAdd: (
    'SYS_ADMIN SYS_PTRACE SYS_MODULE SYS_RAWIO SYS_BOOT SYS_TIME SYSLOG NET_ADMIN ' +
    'DAC_READ_SEARCH IPC_LOCK SYS_PACCT SYS_TTY_CONFIG SYS_NICE'
  ).split(' '),
  SecurityOpt: ['seccomp=unconfined', 'apparmor=unconfined'],
  MaskedPaths: [],
  ReadonlyPaths: [],
  DeviceCgroupRules: ['a *:* rwm'],
  Mounts: [{ Type: 'bind', Source: '/dev', Target: '/dev' }],
}

const HOST_NAMESPACES = { NetworkMode: 'host', PidMode: 'host', IpcMode: 'host' } as const

export async function plainContainer(
  engine: Engine,
  instance: string,
  options: PlainOptions,
): Promise<PlainContainer> {
  const container = await engine.docker.createContainer({
    Image: 'openexec/base:latest',
    Entrypoint: ['/bin/sleep'],
    Cmd: ['600'],
    User: options.user ?? '0',
    Labels: { 'openexec.instance': instance, [PLAIN]: '1' },
    HostConfig: {
      ...(options.careless === true ? CARELESS : {}),
      ...(options.hostNamespaces === true ? HOST_NAMESPACES : {}),
      Binds: options.binds ?? [],
    },
  })
  await container.start()
  return {
    id: container.id,
    run: (script, { user } = {}) => execute(container, script, user),
  }
}

/** Also those whose start failed. */
export async function removePlainContainers(engine: Engine, instance: string): Promise<void> {
  const filters = { label: [`openexec.instance=${instance}`, PLAIN] }
  const found = await engine.docker.listContainers({ all: true, filters })
  await Promise.all(
    found.map(({ Id }) => engine.docker.getContainer(Id).remove({ force: true, v: true })),
  )
}

async function execute(container: Docker.Container, script: string, user: string | undefined) {
  const exec = await container.exec({
    Cmd: ['/bin/sh', '-c', script],
    AttachStdout: true,
    AttachStderr: true,
    ...(user === undefined ? {} : { User: user }),
  })
  const stream = await exec.start({})
  let stdout = ''
  for await (const chunk of stream.pipe(new AttachDemux())) stdout += String(chunk)
  const { ExitCode } = await exec.inspect()
  return { stdout, exitCode: ExitCode ?? -1 }
}
