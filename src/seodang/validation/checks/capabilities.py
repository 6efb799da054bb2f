"""Find tasks that a text model cannot do, and answers that pretend otherwise."""

from __future__ import annotations

import re
from typing import Final

from seodang.i18n import Message
from seodang.ingest.rows import shorten
from seodang.validation.checks.row_view import Check, Finding, View
from seodang.validation.checks.rule import Rule

RULES: Final = (
    Rule(
        id="beyond-text",
        field="instruction",
        reason=Message("the instruction requests something that a text model cannot do: draw, build, operate devices"),
        fix=Message("request something that can be written (a slogan instead of a logo), or leave the row out"),
    ),
    Rule(
        id="current-data",
        field="instruction",
        reason=Message("the instruction requests current data or a web search, which the model does not have"),
        fix=Message("put the data into the input, or leave the row out"),
    ),
    Rule(
        id="claimed-action",
        field="output",
        reason=Message("the output claims an action that the model did not perform"),
        fix=Message("put the result itself into the output, or leave the row out"),
    ),
    Rule(
        id="human-experience",
        field="output",
        reason=Message("the model describes a human life as its own"),
        fix=Message("put the role into the instruction, or change the output"),
    ),
)

_MAX_REQUEST_CHARACTERS: Final = 400  # a few words do not reveal the task of a longer message
_THING: Final = (
    r"(?:logo|poster|brochure|flyer|flier|banner|infographic|t-?shirt|business card|icon|illustration|image"
    r"|picture|painting|drawing|sketch|photo(?:graph)?|animation|video|gif"
    r"|cartoon"
    r"|meme|3-?d model|collage|graphic|diagram|flow ?chart|mind map|word cloud|bar (?:chart|graph)|pie chart"
    r"|line (?:chart|graph)|graph|histogram|chart|scatter ?plot|plot of"
    r"|spreadsheet"
    r"|power ?point|slide ?show|presentation slides?|web ?page layout|website|web ?page|app icon|wallpaper"
    r"|soundtrack|melody|piece of music|beat|map of|floor ?plan|blueprint"
    r"|album cover|book cover|cover art|mock-?up|wireframe)s?"
)
_BEYOND_TEXT: Final = re.compile(
    rf"(?:please |(?:given|using|based on|from|for|with) [^.]{{3,120}}, )?(?:design|create|make|generate|produce"
    rf"|build|draw|construct|prepare|develop|compose|render"
    rf"|come up with|provide|show|plot)(?: me)?(?: an?| the| some| \d+| one)? (?:design (?:for"
    rf"|of) an? )?(?:(?!of |for |about |on |in |that |to |from |with |and |character "
    rf"|description |title |caption |using )[\w'-]+ ){{0,3}}?{_THING}\b(?! (?:description|idea|concept|title"
    rf"|name|slogan|topic|plan|script|copy|caption|proposal|content))"
    r"|(?:please )?(?:(?:draw(?! (?:an? |the |some |your |any )?(?:\w+ )?(?:conclusion|inference|comparison"
    r"|parallel|distinction|attention|analog|lesson|connection))|sketch|paint|photograph|film)\b|render (?:a"
    r"|an)\b|illustrate (?:a|an|the) (?:picture|scene|image)|take a (?:picture|photo|selfie|screenshot)"
    r"|record (?:a|an|your|the)|sing\b|play (?:a|an|the|some) (?:song|music|game|video|piece))"
    r"|(?:please )?(?:(?:disconnect|unplug|plug in|turn (?:on|off)|switch (?:on|off)|reboot|restart) (?:the|this"
    r"|my|your)\b"
    r"|(?:open|close|click|press|print|upload|download|install) (?:on )?(?:the|this|my) (?:\w+ )?(?:files?"
    r"|documents?|app|application|button|link|browser|window|door|program"
    r"|software|page|images?|icon|attachment)\b"
    r"|(?:book|reserve|order|buy|purchase|rent) (?:me )?(?:an?|the|two|some|\d+) (?:\w+ )?(?:flights?|tickets?"
    r"|tables?|rooms?|hotel|pizzas?|taxi|cab|car|seats?)\b|set (?:an?"
    r"|the) (?:alarm|timer|reminder)\b)"
    r"|update the (?:number|value|cell|file|record|database|software|system|settings?)|(?:move|delete|copy|save"
    r"|rename) (?:the|this|all|a) (?:files?|folders?|documents?|cells?"
    r"|images?)|schedule (?:a|an|the|my) (?:meeting|appointment|call|interview)"
)
_BEYOND_TEXT_KO: Final = re.compile(
    r"(?:로고|포스터|브로슈어|전단지?|배너|인포그래픽|티셔츠|명함|아이콘|일러스트|그림|이미지|사진|애니메이션"
    r"|동영상|비디오|영상|만화|밈|3d ?모델|콜라주|그래픽|다이어그램|순서도|흐름도|마인드맵|워드 ?클라우드"
    r"|막대 ?그래프|원 ?그래프|파이 ?차트|꺾은선 ?그래프|그래프|히스토그램|차트|스프레드시트|파워포인트|슬라이드"
    r"|웹 ?사이트|웹 ?페이지|배경 ?화면|멜로디|지도|평면도|설계도|표지|와이어프레임)"
    r"(?:을|를)? ?(?:하나 |한 장 )?(?:디자인을 )?(?:(?:디자인|제작|생성|렌더링|촬영|스케치|작성|작곡)(?=하|합|해"
    r"|$|\.)|그려|그리|그립|만들|만드세|만듭|찍)(?=[가-힣 ]{0,8}[.!?]?$)"
    r"|노래를 ?(?:불러|틀어)|음악을 ?(?:틀어|연주|재생)|전화를? ?(?:걸어|해) ?(?:줘|주)|예약해 ?(?:줘|주)"
    r"|주문해 ?(?:줘|주)|알람을? ?(?:맞춰|설정해 ?주)|파일을? ?(?:열어|삭제|복사|이동|저장|업로드|다운로드|인쇄)"
    r"|(?:불|전원|전등|티비|tv|에어컨|조명)을? ?(?:켜|꺼) ?(?:줘|주세요)|클릭하세요|연결을? ?(?:해제|끊)"
    r"|셀의? .{0,12}업데이트"
)
_SEARCH: Final = re.compile(
    r"(?:please )?(?:(?:search|browse|surf|google|look up|check|scan|use) (?:on |through |up )?(?:the )?(?:web"
    r"|internet|online|google|wikipedia|news|social media|twitter"
    r"|youtube)\b"
    r"|(?:find|give|show|get|retrieve|fetch|locate|provide|recommend|share)(?: me)? (?:an?|the|some|two|three"
    r"|four|five|\d+|any) (?:(?!for |of |to |from |in |about |on "
    r"|ways )[\w'-]+ ){0,3}?"
    r"(?:articles?|websites?|urls?|links?|videos?|blog posts?|web ?pages?|podcasts?|news stor(?:y|ies)|images?"
    r"|photos?|pictures?|tutorials?)"
    r"(?= (?:about|on|that|which|for|related|with|of|to|from|describing|explaining|discussing)\b|[.?]?$)"
    r"|(?:gather|collect|find|get|retrieve|research|look for|compile)\b[\w ]{0,30}\b(?:recent|latest|current"
    r"|up-to-date|real-time|live)\b)"
)
_CURRENT: Final = re.compile(
    r"\bsearch (?:the )?(?:web|internet|online)\b"
    r"|\b(?:latest|today's|current|live|real-time|up-to-date) (?:\w+ )?(?:news|weather|forecast|headlines?|stock"
    r"|price|prices|exchange rates?|scores?|temperature|time|date"
    r"|statistics|covid|coronavirus|market|cases|events|population)\b"
    r"|\b(?:what|how) (?:is|'s|time is|are) (?:the )?(?:weather|time|date|temperature|it)\b.{0,20}\b(?:today|now"
    r"|right now|currently|tomorrow|outside)\b|\bright now\b"
    r"|\bnear (?:me|you|by)\b|\bin (?:my|your) area\b|\bcurrently (?:trending|showing|playing)\b"
)
_CURRENT_KO: Final = re.compile(
    r"(?:웹|인터넷|온라인|구글|네이버|위키백과|유튜브|소셜 ?미디어|트위터)(?:에서|을|를|로|으로)? ?(?:검색|조사"
    r"|찾아|찾으|탐색)"
    r"|(?:최신|최근|실시간) ?(?:뉴스|소식|통계|데이터|확진자|가격|순위|트렌드|주가|시세|환율)|(?:현재|지금"
    r"|오늘)의? ?(?:주가|시세|환율|가격|뉴스|통계|순위)"
    r"|(?:오늘|내일|지금|현재)의? .{0,12}(?:날씨|기온|온도|시간).{0,8}(?:어때|어떤|어떻|알려|예측|예보|추정|말"
    r"|몇|무엇|인가)|(?:오늘|지금|현재) .{0,6}(?:몇 시|며칠)"
    r"|(?:웹 ?사이트|링크|동영상|유튜브 영상|기사|url|이미지|사진|팟캐스트)(?:를|을)? ?(?:\d+개 |하나 |두 개 "
    r"|세 개 |몇 개 )?(?:찾아|검색|추천|공유|보여)"
    r"|(?<![가-힣])근처(?:의|에 있는|에서).{0,20}(?:레스토랑|식당|맛집|병원|카페|호텔|가게|매장)"
)
_CODE_TASK: Final = re.compile(
    r"(?<![a-z])(?:code|program|script|function|python|java\w*|html|css|svg|ascii|latex|sql|excel formula"
    r"|matplotlib|algorithm|class)(?![a-z])|코드|프로그램|스크립트|함수|파이썬|자바|쿼리"
)

_CLAIMED_ACTION: Final = re.compile(
    r"^(?:the|your|this|a|an|all)\b[^.\n]{0,80}?\b(?:has been|have been|was|were|is now|are now"
    r"|will be)(?: successfully| now| also)? (?:created|designed|updated|added|sent"
    r"|completed|generated|edited|deleted|saved|changed"
    r"|booked|scheduled|made|built|drawn|produced|prepared|modified|moved|set|ordered|removed|formatted|printed"
    r"|installed|uploaded|developed|compiled|inserted|renamed|recorded"
    r"|highlighted|organi[sz]ed|sorted)\b"
    r"|^(?:i have|i've|i)(?: just| already| successfully)? (?:created|designed|updated|added|sent|completed"
    r"|generated|edited|deleted|saved|changed|booked|scheduled|made|built"
    r"|drawn|produced|prepared|modified|moved|ordered"
    r"|removed|formatted|printed|installed|uploaded|compiled|inserted|searched)\b"
    r"|^(?:the|your|this) (?:new |updated |edited |revised )?[\w' -]{2,40}? now (?:includes|contains|has|reads"
    r"|shows|displays)\b"
)
_CLAIMED_ACTION_KO: Final = re.compile(
    r"(?:을|를|이|가) ?(?:성공적으로 |모두 )?(?:생성|작성|추가|업데이트|수정|삭제|변경|저장|예약|완료|제작"
    r"|디자인|전송|설치|정렬|설정)(?:했습니다|하였습니다|되었습니다|됐습니다|해 ?드렸습니다)\.?$"
)
_ACTION_TASK: Final = re.compile(
    r"^(?:please )?(?:create|design|update|add|send|generate|edit|delete|save|change|book|schedule|make|build"
    r"|draw|produce|prepare|modify|move|set|order|format|print|install"
    r"|upload|develop|compile|insert|rename|record|highlight|organi[sz]e|construct|render|sketch|illustrate"
    r"|complete|find|search)\b"
)
_ACTION_TASK_KO: Final = re.compile(
    r"(?:생성|작성|추가|업데이트|수정|삭제|변경|저장|예약|완료|제작|디자인|전송|설치|설정|정렬|만드|만들|보내"
    r"|그리|그려)"
)
_REWRITING_TASK_KO: Final = re.compile(
    r"문장|다시|능동|수동|바꾸|바꿔|번역|요약|시제|부정|긍정|예시|메시지|알림|답장|보고"
)
_STRUCTURE: Final = re.compile(
    r"class|function|method|code|array|list\b|sentence|number|story|set of|algorithm|hypothes|equation|character"
    r"|poem|paragraph|passive",
    re.IGNORECASE,
)

_YOU: Final = re.compile(r"\b(?:you|your|yourself)\b|당신|너의|네가|너는|본인|여러분|자신의|귀하")
_EXPERIENCE: Final = re.compile(
    r"\b(?:when i was (?:an? |in |young|growing|little|working|studying|at |a kid|\d+)|i (?:grew up|was born"
    r"|used to (?:work|live|play|go)|remember (?:when|the|a)|once (?:had"
    r"|was|worked|went)|went to|graduated|recently (?:visited|went|bought|read|took|had|started|worked)|(?:had"
    r"|have) to (?:make|work|deal|face|choose|decide|give))"
    r"|my (?:wife|husband|mother|father|mom|dad|parents|boss|manager|childhood|grand(?:mother|father|parents)"
    r"|best friend|friends|family|colleagues?|coworkers?|hometown|team"
    r"|job|career|favou?rite|high school|college)|(?:i|we) [^.]{0,60}(?:last (?:summer|winter|year|month|week"
    r"|weekend)|years ago))\b"
)
_EXPERIENCE_KO: Final = re.compile(
    r"(?:제가|내가|저는|나는|저의|나의|제|내) (?:[가-힣]+ ){0,4}?(?:때|어렸을|어릴|대학|학교|직장|회사|가족|부모"
    r"|어머니|아버지|엄마|아빠|친구|아내|남편|고향|어린 시절|살던|여행|좋아하는|취미)|(?:작년|지난 ?(?:주|달|해"
    r"|여름|겨울))에? .{0,20}(?:갔|했|봤|샀"
    r"|먹었)"
)
_MODEL: Final = re.compile(
    r"\b(?:as an ai|ai assistant|ai language|language model|as a language)\b|인공지능|언어 ?모델|ai로서"
)
_ROLE: Final = re.compile(
    r"\b(?:write|imagine|pretend|role|story|letter|essay|e-?mail|monologue|diary|journal|blog|speech|poem|script"
    r"|dialogue|conversation|character|fictional|rewrite|paraphrase"
    r"|translate|edit|review|pitch|cover|profile|bio|sample|example|compose|generate|create|suppose|you are (?:a"
    r"|an|the)|if you (?:were|had|could))\b"
    r"|작성|쓰세요|써|상상|가정|역할|이야기|편지|에세이|일기|블로그|연설|대본|대화|소설|번역|바꾸|수정|예시|예를"
    r"|이라면|라면|만들|생성"
)


def find_beyond_text(view: View) -> Finding | None:
    """Return an instruction to make or do something other than text, unless code can do it."""
    request = view.request
    if len(request) > _MAX_REQUEST_CHARACTERS:
        return None
    match = _BEYOND_TEXT.match(request) if request.isascii() else _BEYOND_TEXT_KO.search(request)
    if match is None or _CODE_TASK.search(request) or view.has_code_answer:
        return None
    return Finding("instruction", shorten(view.instruction))


def find_current_data(view: View) -> Finding | None:
    """Return an instruction that only a web search can answer."""
    request = view.request
    if len(request) > _MAX_REQUEST_CHARACTERS or (
        view.input.strip() and len(view.input) >= view.limits.min_article_characters
    ):
        return None
    match = (_SEARCH.match(request) or _CURRENT.search(request)) if request.isascii() else _CURRENT_KO.search(request)
    if match is None or _CODE_TASK.search(view.request):
        return None
    return Finding("instruction", shorten(view.instruction))


def find_claimed_action(view: View) -> Finding | None:
    """Return an output that reports the requested action as done."""
    head = view.answer[:200].lower()
    if _ACTION_TASK.search(view.request):
        is_claim = _CLAIMED_ACTION.search(head) is not None and not _STRUCTURE.search(view.request)
    else:
        is_claim = (
            len(view.answer) <= view.limits.max_refusal_characters
            and _CLAIMED_ACTION_KO.search(view.answer) is not None
            and _ACTION_TASK_KO.search(view.request) is not None
        )
        is_claim = is_claim and not _REWRITING_TASK_KO.search(view.request)
    return Finding("output", shorten(view.answer)) if is_claim and not view.has_code_answer else None


def find_experience(view: View) -> Finding | None:
    """Return an answer about a human life, unless the task requests a role or a text."""
    if (
        view.input.strip()
        or not _YOU.search(view.request)
        or _ROLE.search(view.request)
        or _MODEL.search(view.answer[:200].lower())
    ):
        return None
    match = _EXPERIENCE.search(view.answer.lower()) or _EXPERIENCE_KO.search(view.answer)
    return Finding("output", shorten(view.answer[max(0, match.start() - 10) :])) if match else None


CHECKS: Final[dict[str, Check]] = {
    "beyond-text": find_beyond_text,
    "current-data": find_current_data,
    "claimed-action": find_claimed_action,
    "human-experience": find_experience,
}
