/** webhook: who outside is told of what happens on a server. */
import { setTimeout as wait } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { OpenExecError, type WebhookDelivery, WebhookEvent } from '../../schema/index.ts'
import { bodyOf, type Client } from '../client.ts'
import {
  type CommandContext,
  type JsonOptions,
  READ,
  using,
  wholeNumber,
  withStateOptions,
} from '../command-context.ts'
import { age, oneLine, printJson, printTable } from '../print.ts'

const HELP = `
Examples:
  openexec webhook add https://hooks.example.com/ci --event run_completed
  openexec webhook test hook_4x9k…                  send a ping and wait for its answer
  openexec webhook deliveries hook_4x9k…            what was sent, and what was answered
  openexec webhook redeliver hook_4x9k… dlv_8m2p…

Each delivery is a POST with JSON, signed: OpenExec-Signature is t=SECONDS,v1=HEX, where HEX is
HMAC-SHA256 of "SECONDS.BODY" with the secret that \`webhook add\` prints once. Any 2xx takes it;
anything else is tried again, eight times within a day. After five that were given up in a row, or
one 410, the webhook is disabled. A server sends; without one, deliveries wait for the next.`

export function registerWebhook(program: Command, context: CommandContext): void {
  const webhook = program
    .command('webhook')
    .description('Tell an address what happens to runs.')
    .addHelpText('after', HELP)
  registerAdd(webhook, context)
  registerList(webhook, context)
  registerChange(webhook, context, 'rm')
  registerChange(webhook, context, 'enable')
  registerTest(webhook, context)
  registerDeliveries(webhook, context)
  registerRedeliver(webhook, context)
}

function registerAdd(webhook: Command, context: CommandContext): void {
  withStateOptions(
    webhook
      .command('add')
      .argument('<url>', 'https address of the receiver')
      .description('Add a webhook and print its secret, this once.'),
  )
    .addOption(
      new Option('--event <type>', `one of ${WebhookEvent.options.join(', ')}; may be repeated`)
        .argParser(collect)
        .default(undefined, 'run_completed'),
    )
    .option('--description <text>', 'what it is for')
    .option('--json', 'print one JSON object')
    .action(
      (url: string, options: JsonOptions & { event?: WebhookEvent[]; description?: string }) =>
        using(context, { ...READ, from: options }, async ({ client }) => {
          const { event: events = ['run_completed'], description } = options
          const made = await bodyOf(
            client.v1.webhooks.$post({
              json: { url, events, ...(description !== undefined && { description }) },
            }),
          )
          if (options.json === true) return printJson(context.io, made)
          context.io.out(made.secret)
          context.io.err(`${made.id} is told of ${made.events.join(', ')}`)
        }),
    )
}

function registerList(webhook: Command, context: CommandContext): void {
  withStateOptions(webhook.command('list').description('List webhooks, without their secrets.'))
    .option('--json', 'print one JSON object: {"webhooks": [...]}')
    .action((options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const body = await bodyOf(client.v1.webhooks.$get())
        if (options.json === true) return printJson(context.io, body)
        const rows = body.webhooks.map(({ id, url, events, failures, disabledReason }) => [
          id,
          oneLine(url, 60),
          events.join(','),
          disabledReason === undefined
            ? failures === 0
              ? 'enabled'
              : `${failures} given up`
            : `disabled: ${oneLine(disabledReason, 40)}`,
        ])
        printTable(context.io, ['WEBHOOK', 'URL', 'EVENTS', 'STATE'], rows)
      }),
    )
}

function registerChange(webhook: Command, context: CommandContext, name: 'rm' | 'enable'): void {
  const words =
    name === 'rm'
      ? { description: 'Remove a webhook with the log of its deliveries.', done: 'Removed' }
      : { description: 'Begin anew with a webhook that was disabled.', done: 'Enabled' }
  withStateOptions(
    webhook
      .command(name)
      .argument('<id>', 'id of a webhook', hookId)
      .description(words.description),
  )
    .option('--json', 'print one JSON object')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const one = client.v1.webhooks[':id']
        const param = { id }
        const hook = await bodyOf(
          name === 'rm' ? one.$delete({ param }) : one.enable.$post({ param }),
        )
        if (options.json === true) return printJson(context.io, hook)
        context.io.out(`${words.done} ${hook.id}`)
      }),
    )
}

/** How long a test waits for its answer, and between two looks, in `ms`. */
const TEST_MS = 20_000
const LOOK_MS = 300

function registerTest(webhook: Command, context: CommandContext): void {
  withStateOptions(
    webhook
      .command('test')
      .argument('<id>', 'id of a webhook', hookId)
      .description('Send a ping, and wait for what the receiver answers.'),
  )
    .option('--json', 'print one JSON object')
    .action((id: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const sent = await bodyOf(client.v1.webhooks[':id'].test.$post({ param: { id } }))
        const seen = await attempted(context, client, sent)
        context.exit(seen.status === 'delivered' ? 0 : 1)
        if (options.json === true) return printJson(context.io, seen)
        if (seen.status === 'delivered')
          context.io.out(
            `Delivered in ${seen.durationMs} ms: the receiver answered ${seen.httpStatus}`,
          )
        else
          context.io.err(
            seen.attempts === 0
              ? `${seen.id} waits for a server that sends it`
              : `${seen.id} was not delivered: ${seen.error}`,
          )
      }),
    )
}

/** The delivery once it was tried, or as it is after some time. */
async function attempted(
  { io }: CommandContext,
  client: Client,
  sent: WebhookDelivery,
): Promise<WebhookDelivery> {
  const { webhookId, id } = sent
  const until = performance.now() + TEST_MS
  for (let seen = sent; ;) {
    const answered = seen.status !== 'pending' || seen.error !== undefined
    if (answered || performance.now() > until || io.signal.aborted) return seen
    await wait(LOOK_MS)
    const listing = client.v1.webhooks[':id'].deliveries.$get({
      param: { id: webhookId },
      query: { limit: '100' },
    })
    const { deliveries } = await bodyOf(listing)
    seen = deliveries.find((each) => each.id === id) ?? seen
  }
}

function registerDeliveries(webhook: Command, context: CommandContext): void {
  withStateOptions(
    webhook
      .command('deliveries')
      .argument('<id>', 'id of a webhook', hookId)
      .description('List what was sent to a webhook, newest first.'),
  )
    .option('--limit <count>', 'how many', '50')
    .option('--json', 'print one JSON object: {"deliveries": [...]}')
    .action((id: string, options: JsonOptions & { limit: string }) => {
      const limit = wholeNumber('--limit', options.limit, { min: 1, max: 1000 })
      return using(context, { ...READ, from: options }, async ({ client }) => {
        const query = { limit: String(limit) }
        const answer = client.v1.webhooks[':id'].deliveries.$get({ param: { id }, query })
        const body = await bodyOf(answer)
        if (options.json === true) return printJson(context.io, body)
        const rows = body.deliveries.map((each) => deliveryRow(context, each))
        const head = ['DELIVERY', 'EVENT', 'RUN', 'AGE', 'STATE', 'TRIES', 'LAST']
        printTable(context.io, head, rows)
      })
    })
}

function deliveryRow({ now }: CommandContext, delivery: WebhookDelivery): string[] {
  const { id, event, runId = '', createdAt, status, attempts, httpStatus, error } = delivery
  const last = error === undefined ? String(httpStatus ?? '') : oneLine(error, 50)
  return [id, event, runId, age(now(), createdAt), status, String(attempts), last]
}

function registerRedeliver(webhook: Command, context: CommandContext): void {
  withStateOptions(
    webhook
      .command('redeliver')
      .argument('<id>', 'id of a webhook', hookId)
      .argument('<delivery>', 'id of one of its deliveries', deliveryId)
      .description('Send a delivery once more, with the same bytes.'),
  )
    .option('--json', 'print one JSON object')
    .action((id: string, delivery: string, options: JsonOptions) =>
      using(context, { ...READ, from: options }, async ({ client }) => {
        const one = client.v1.webhooks[':id'].deliveries[':delivery']
        const again = await bodyOf(one.redeliver.$post({ param: { id, delivery } }))
        if (options.json === true) return printJson(context.io, again)
        context.io.out(`${again.id} is sent again`)
      }),
    )
}

/** Refused here already, because an id becomes a part of an address. */
const hookId = idOf('hook', 'webhook')
const deliveryId = idOf('dlv', 'delivery')

function idOf(prefix: string, noun: string): (text: string) => string {
  const whole = new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{16}$`)
  return (text) => {
    if (whole.test(text)) return text
    throw new OpenExecError('bad_request', `Cannot find ${noun} "${text}": expected its whole id`, {
      hint: 'List webhooks with `openexec webhook list`',
    })
  }
}

function collect(value: string, previous: WebhookEvent[] | undefined): WebhookEvent[] {
  const event = WebhookEvent.safeParse(value)
  if (event.success) return [...(previous ?? []), event.data]
  throw new OpenExecError(
    'bad_request',
    `Cannot use --event "${value}": expected one of ${WebhookEvent.options.join(', ')}`,
  )
}
