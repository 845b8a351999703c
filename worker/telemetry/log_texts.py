"""The texts of an account's log and their levels, fixed by the specification. Pure."""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


class LogText(NamedTuple):
    """A level and a fixed text."""

    level: int
    text: str


# The seed's table.
BEAT_SENT: Final = LogText(WARNING, "心跳包已发送")
BEAT_SEND_FAILED: Final = LogText(ERROR, "心跳发送失败")
BEAT_ANSWERED: Final = LogText(WARNING, "心跳响应正常")
BEAT_ABNORMAL: Final = LogText(ERROR, "心跳响应异常")
"""A non-200 or malformed answer to a beat."""
BEATS_FAILED: Final = LogText(ERROR, "心跳连续失败")
"""As many failed sends in a row as `max_heartbeat_failures`."""
SOCKET_CLOSED: Final = LogText(WARNING, "WebSocket连接已关闭")
"""A close frame came, or we stopped."""
SOCKET_ERROR: Final = LogText(ERROR, "WebSocket连接异常")
"""Every other end, our own verdict included."""


# What the seed has no text for.
STATE_CHANGED: Final = LogText(INFO, "连接状态变更")
HEART_REARMED: Final = LogText(WARNING, "进程曾停顿，心跳判定推迟")
ANSWER_FOREIGN: Final = LogText(DEBUG, "收到其他请求的响应")
FRAME_IGNORED: Final = LogText(WARNING, "无法识别的数据已忽略")
SYNC_FAILED: Final = LogText(WARNING, "同步位点失败")
PUSH_RECEIVED: Final = LogText(DEBUG, "收到推送")
PUSH_REFUSED: Final = LogText(ERROR, "消息暂时无法保存，未确认")
PUSH_TOO_LARGE: Final = LogText(WARNING, "推送内容过多，其余部分改为补收")
MESSAGE_UNFIT: Final = LogText(ERROR, "程序错误，消息无法照原样保存，已转入死信")
MESSAGE_LOST: Final = LogText(ERROR, "程序错误，消息无法保存，未确认")
MESSAGE_SENT: Final = LogText(INFO, "消息已发送")
MESSAGE_NOT_SENT: Final = LogText(WARNING, "消息发送失败")
MESSAGE_UNKNOWN: Final = LogText(WARNING, "消息发送结果未知")
MESSAGE_LATER: Final = LogText(WARNING, "消息暂未发送，稍后重试")
MESSAGE_NOT_WRITTEN: Final = LogText(DEBUG, "连接已断开，消息留待下次发送")
TALK_CHANGED: Final = LogText(INFO, "会话操作完成")
TALK_NOT_CHANGED: Final = LogText(WARNING, "会话操作未完成")
TALK_UNSURE: Final = LogText(WARNING, "会话操作结果未知")
CAUGHT_UP: Final = LogText(DEBUG, "漏收消息检查完成")
RECOVERED: Final = LogText(INFO, "已补收漏收的消息")
ORDERS_KNOWN: Final = LogText(DEBUG, "待发货订单检查完成")
ORDERS_LISTED: Final = LogText(INFO, "待发货订单已核对")
ORDERS_UNLISTED: Final = LogText(WARNING, "待发货订单暂时无法列出，稍后重试")
ORDERS_DEAD: Final = LogText(ERROR, "迟到的订单无法核对，已转人工处理")
ORDER_STRANGE: Final = LogText(WARNING, "待发货列表中的订单状态无法识别，未交付")
ORDER_HOMELESS: Final = LogText(WARNING, "订单的会话未找到")
CATCH_UP_MORE: Final = LogText(INFO, "漏收消息较多，分批补收")
CATCH_UP_ABANDONED: Final = LogText(WARNING, "漏收消息检查未完成，稍后重试")
CATCH_UP_CIRCLE: Final = LogText(WARNING, "会话列表翻页异常，更早的内容未读取")
CATCH_UP_GIVEN_UP: Final = LogText(WARNING, "会话始终无法读取，有新变化前不再补收")
ZOMBIE: Final = LogText(WARNING, "连接正常但未推送消息")
HANDLER_UNUSABLE: Final = LogText(ERROR, "消息处理程序无法使用")
HANDLER_FAILED: Final = LogText(WARNING, "消息处理失败")
HANDLER_GAVE_UP: Final = LogText(ERROR, "消息处理失败，已转入死信")
HANDLER_BLOCKS: Final = LogText(ERROR, "消息处理程序阻塞")
HANDLER_FREE: Final = LogText(WARNING, "消息处理程序恢复响应")
HANDLER_OVERDUE: Final = LogText(ERROR, "消息处理程序超时后仍未结束")
HANDLER_SAID: Final = LogText(INFO, "消息处理程序输出")
HANDLER_STRAY: Final = LogText(ERROR, "消息处理程序后台任务出错")
REPLY_DROPPED: Final = LogText(INFO, "自动回复未发送")
REPLY_UNSENDABLE: Final = LogText(WARNING, "自动回复无法发送，已转入死信")
HANDLER_RENEWED: Final = LogText(INFO, "消息处理程序已重新加载")
HANDLER_NOT_RENEWED: Final = LogText(ERROR, "消息处理程序无法重新加载，继续使用旧的")
HANDED_OVER: Final = LogText(INFO, "处理程序已将会话交给人工")
REPLIES_BOUNDED: Final = LogText(WARNING, "自动回复过多，该会话的消息转入死信")
TICKET_QUEUED: Final = LogText(INFO, "等待连接许可")
TICKET_MISSING: Final = LogText(WARNING, "主管进程无应答，使用现有令牌连接")
USER_ELSEWHERE: Final = LogText(WARNING, "本机另一个实例正在使用该账号，等待其结束")
SUSPENDED: Final = LogText(WARNING, "系统曾休眠，重新连接")
CLOCK_JUMPED: Final = LogText(WARNING, "系统时钟跳变，立即发送心跳")
CLOCK_WRONG: Final = LogText(WARNING, "本机时钟与服务器时间不一致")
CLOCK_RIGHT: Final = LogText(INFO, "本机时钟已与服务器时间一致")
SETTINGS_APPLIED: Final = LogText(INFO, "新设置已生效")
LINES_LOST: Final = LogText(ERROR, "部分日志未能写入")
PROGRAM_ERROR: Final = LogText(ERROR, "程序错误")
BEATS: Final = frozenset({BEAT_SENT, BEAT_ANSWERED})
"""The lines that `beats: false` leaves out."""
