/** The `tests:` of a policy file: examples that must come out as written, or the file is refused. */
import type { Finding, ParsedYaml, PolicyFile, PolicyRequest, PolicyTest } from '../schema/index.ts'
import { evaluate } from './evaluate.ts'
import type { Policy } from './policy.ts'

const PORT_DEFAULT = 443

/** One finding per test that fails, or that asks about two things at once. */
export function runPolicyTests(policy: Policy, file: ParsedYaml<PolicyFile>): Finding[] {
  return (file.value.tests ?? []).flatMap((test, i) => {
    const problem = ambiguity(test) ?? failure(policy, test)
    if (problem === undefined) return []
    const path = ['tests', i]
    const message = `Test ${i + 1}: ${problem}`
    return [{ code: 'policy_test_failed', message, path, ...file.locate(path) }]
  })
}

function failure(policy: Policy, test: PolicyTest): string | undefined {
  const { decision, matched } = evaluate(policy, requestOf(policy, test.request))
  if (decision === test.expect) return undefined
  const { capability } = test.request
  return `expected ${capability} to be ${test.expect}, but it is ${decision} (by ${matched.join(', ')})`
}

function ambiguity({ request }: PolicyTest): string | undefined {
  const { path, access, argv, host, port } = request
  const asked = Object.entries({ path, argv, host }).filter(([, value]) => value !== undefined)
  if (asked.length > 1) return `it names ${asked.map(([name]) => name).join(' and ')}; name one`
  if (access !== undefined && path === undefined) return 'access needs a path'
  if (port !== undefined && host === undefined) return 'port needs a host'
  if (port !== undefined && (port < 1 || port > 65_535)) return `port ${port} does not exist`
  return undefined
}

function requestOf(policy: Policy, request: PolicyTest['request']): PolicyRequest {
  const { capability, mode, stage, subject } = request
  return {
    capability,
    resource: resourceOf(request),
    mode: mode ?? policy.sandbox,
    stage: stage ?? 'test',
    subject: subject ?? 'test',
  }
}

function resourceOf({
  capability,
  path,
  access,
  argv,
  host,
  port,
}: PolicyTest['request']): PolicyRequest['resource'] {
  if (path !== undefined)
    return { kind: 'path', path, access: access ?? (capability === 'repo_read' ? 'read' : 'write') }
  if (argv !== undefined) return { kind: 'argv', argv }
  if (host !== undefined) return { kind: 'host', host, port: port ?? PORT_DEFAULT }
  return { kind: 'none' }
}
