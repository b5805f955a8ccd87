/** route: what would be done with a request in words, and why. */
import { type Command, Option } from 'commander'
import type { Plan } from '../../schema/index.ts'
import { bodyOf } from '../client.ts'
import { CATALOG, type CommandContext, using } from '../command-context.ts'
import { oneLine, printJson } from '../print.ts'

const HELP = `
Examples:
  openexec route "Fix the off by one in src/pages.ts"
  openexec route "Why does the build take so long?" --explain

Flags decide first, then rules, then a classifier, then a local model if one is configured. Where
none is sure, nothing is changed: mode chat with toolset repo_readonly. Nothing is run by this command,
and no plan allows what policy does not.`

export interface RouteOptions {
  blueprint?: string
  toolset?: string
  mode?: Plan['mode']
}

export function registerRoute(program: Command, context: CommandContext): void {
  const command = program
    .command('route')
    .argument('<text>', 'a request in words')
    .description('Say which blueprint and toolset a request would get.')
  withRouteOptions(command)
    .option('--explain', 'every reason, and how likely other kinds are')
    .option('--json', 'print the plan as one JSON object')
    .addHelpText('after', HELP)
    .action((text: string, options: RouteOptions & { explain?: boolean; json?: boolean }) =>
      using(context, CATALOG, async ({ client }) => {
        const plan = await bodyOf(client.v1.route.$post({ json: { text, ...flagsOf(options) } }))
        if (options.json === true) return printJson(context.io, plan)
        context.io.out(planLine(plan))
        if (options.explain === true) for (const line of explanation(plan)) context.io.out(line)
      }),
    )
}

/** Flags that decide instead of the router. */
export function withRouteOptions(command: Command): Command {
  return command
    .option('--blueprint <name>', 'decide the blueprint')
    .option('--toolset <name>', 'decide the toolset')
    .addOption(new Option('--mode <mode>', 'decide the mode').choices(['chat', 'task', 'run']))
}

export function flagsOf({ blueprint, toolset, mode }: RouteOptions): RouteOptions {
  return {
    ...(blueprint !== undefined && { blueprint }),
    ...(toolset !== undefined && { toolset }),
    ...(mode !== undefined && { mode }),
  }
}

export function planLine(plan: Plan): string {
  const what = plan.mode === 'run' ? `run ${plan.blueprint}` : plan.mode
  const sure = `${plan.decided_by}, ${Math.round(plan.confidence * 100)} %`
  return oneLine(`${what}  ${plan.toolset}  (${plan.intent.kind}; ${sure})`, 200)
}

function explanation(plan: Plan): string[] {
  const candidates = plan.intent.candidates.map(({ kind, score }) => `${kind} ${score}`)
  return [
    ...plan.reasons.map((reason) => `  because ${oneLine(reason, 200)}`),
    `  likely kinds: ${candidates.join(', ')}`,
    `  sensitivity ${plan.sensitivity}${plan.sensitivity === 'high' ? ': only a model on this machine may see it' : ''}`,
    ...(plan.repo_zones.length === 0
      ? []
      : [`  about ${oneLine(plan.repo_zones.join(', '), 200)}`]),
    `  plan ${plan.plan_hash.slice(0, 12)} by ${plan.router_version}`,
  ]
}
