import type { Event } from '../../contract/schemas/sandbox.ts';

/** Characters of one message; Slack cuts off beyond 40,000. */
const TEXT_CHARS_MAX = 8_000;
const SIGNS = { firing: ':red_circle:', resolved: ':large_green_circle:' } as const;

/** An event in the shape of Slack's incoming webhooks, which Mattermost, Rocket.Chat and Discord (`/slack`) take too. */
export function slackMessage(event: Event): { readonly text: string } {
  const text = event.alerts === undefined ? changeText(event) : alertText(event);
  return { text: text.length > TEXT_CHARS_MAX ? `${text.slice(0, TEXT_CHARS_MAX)}…` : text };
}

function alertText({ alerts = [], detail }: Event): string {
  const lines = alerts.map(
    ({ status, name, summary }) =>
      `${SIGNS[status]} *${plain(name)}* ${status === 'resolved' ? 'is over: ' : ''}${plain(summary)}`,
  );
  return [...(detail === undefined ? [] : [plain(detail)]), ...lines].join('\n');
}

function changeText({ type, subject, from, state, reason, detail, owner, labels = {} }: Event): string {
  const change = state === undefined ? '' : ` ${from && from !== state ? `${from} → ` : ''}*${state}*`;
  const why = reason === undefined ? '' : ` (${reason})`;
  const marks = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const whose = [owner, ...marks].filter((text) => text !== '').join(' ');
  return (
    plain(`${type} ${subject}`) +
    change +
    why +
    (detail ? `: ${plain(detail)}` : '') +
    (whose ? ` · ${plain(whose)}` : '')
  );
}

/** Nothing that a label or a program's last words hold becomes a link, a mention or a format. */
function plain(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll(/[*_~`]/g, '\u200b$&');
}
