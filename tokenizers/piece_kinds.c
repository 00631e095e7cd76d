#include "tokenizers/piece_kinds.h"

#include <stdio.h>

#define LANGUAGES                                                                                                      \
    "ar_AR cs_CZ de_DE en_XX es_XX et_EE fi_FI fr_XX gu_IN hi_IN it_IT ja_XX kk_KZ ko_KR lt_LT lv_LV my_MM ne_NP "     \
    "nl_XX ro_RO ru_RU si_LK tr_TR vi_VN zh_CN"
#define MORE_LANGUAGES                                                                                                 \
    " af_ZA az_AZ bn_IN fa_IR he_IL hr_HR id_ID ka_GE km_KH mk_MK ml_IN mn_MN mr_IN pl_PL ps_AF pt_XX sv_SE sw_KE "    \
    "ta_IN te_IN th_TH tl_XX uk_UA ur_PK xh_ZA gl_ES sl_SI"
#define BERT_SINGLE "[CLS]:0 A:0 [SEP]:0"
#define BERT_PAIR "[CLS]:0 A:0 [SEP]:0 B:1 [SEP]:1"
#define ROBERTA_SINGLE "<s>:0 A:0 </s>:0"
#define ROBERTA_PAIR "<s>:0 A:0 </s>:0 </s>:0 B:0 </s>:0"

static const ae_piece_kind kinds[] = {
    {.name = "sentencepiece", .about = "a SentencePiece model as it is: no special tokens", .join = "library"},
    {.name = "t5",
     .about = "T5: text </s>; <extra_id_0> and further sentinels behind the vocabulary",
     .class = "T5Tokenizer",
     .layout = AE_LAYOUT_EXTRA,
     .join = "runs",
     .special = "</s> <unk> <pad>",
     .single = "A:0 </s>:0",
     .pair = "A:0 </s>:0 B:0 </s>:0"},
    {.name = "albert",
     .about = "ALBERT: cleaned text, commas behind digits apart, [CLS] and [SEP]",
     .class = "AlbertTokenizer",
     .join = "runs",
     .special = "[CLS] [SEP] <unk> <pad> [MASK]",
     .single = BERT_SINGLE,
     .pair = BERT_PAIR,
     .clean = true,
     .lower_case = true},
    {.name = "xlnet",
     .about = "XLNet: cleaned text, commas behind digits apart, <sep> and <cls> at the end, padding in front",
     .class = "XLNetTokenizer",
     .join = "plain",
     .special = "<s> </s> <unk> <sep> <pad> <cls> <mask> <eop> <eod>",
     .single = "A:0 <sep>:0 <cls>:2",
     .pair = "A:0 <sep>:0 B:1 <sep>:1 <cls>:2",
     .clean = true,
     .pads_left = true},
    {.name = "pegasus",
     .about = "PEGASUS: text </s>; 103 tokens of pretraining in front of the pieces",
     .class = "PegasusTokenizer",
     .layout = AE_LAYOUT_PEGASUS,
     .join = "close",
     .special = "</s> <unk> <pad> <mask_2> <mask_1>",
     .single = "A:0 </s>:0",
     .pair = "A:0 B:0 </s>:0"},
    {.name = "xlm-roberta",
     .about = "XLM-RoBERTa: fairseq's ids, <s> and </s>",
     .class = "XLMRobertaTokenizer",
     .layout = AE_LAYOUT_FAIRSEQ,
     .join = "plain",
     .special = "<s> </s> <unk> <pad> <mask>",
     .single = ROBERTA_SINGLE,
     .pair = ROBERTA_PAIR},
    {.name = "mbart",
     .about = "mBART: fairseq's ids, </s> and the language behind the text",
     .class = "MBartTokenizer",
     .layout = AE_LAYOUT_FAIRSEQ,
     .join = "plain",
     .special = "<s> </s> <unk> <pad> <mask>",
     .single = "A:0 </s>:0 LANG:0",
     .pair = "A:0 B:0 </s>:0 LANG:0",
     .languages = LANGUAGES},
    {.name = "mbart50",
     .about = "mBART-50: fairseq's ids, the language in front of the text",
     .class = "MBart50Tokenizer",
     .layout = AE_LAYOUT_FAIRSEQ,
     .join = "runs",
     .special = "</s> <unk> <pad> <s> <mask>",
     .single = "LANG:0 A:0 </s>:0",
     .pair = "LANG:0 A:0 B:0 </s>:0",
     .languages = LANGUAGES MORE_LANGUAGES},
    {.name = "camembert",
     .about = "CamemBERT: fairseq's ids twice over, <s> and </s>",
     .class = "CamembertTokenizer",
     .layout = AE_LAYOUT_CAMEMBERT,
     .join = "runs",
     .special = "<s> </s> <unk> <pad> <mask> <s>NOTUSED </s>NOTUSED",
     .single = ROBERTA_SINGLE,
     .pair = ROBERTA_PAIR},
    {.name = "bigbird",
     .about = "BigBird: [CLS] and [SEP] around the pieces",
     .class = "BigBirdTokenizer",
     .join = "runs",
     .special = "<s> </s> <unk> [SEP] <pad> [CLS] [MASK]",
     .single = BERT_SINGLE,
     .pair = BERT_PAIR},
    {.name = "llama",
     .about = "LLaMA: <s> in front; bytes for what has no piece",
     .class = "LlamaTokenizer",
     .join = "library",
     .special = "<unk> <s> </s>",
     .single = "<s>:0 A:0",
     .pair = "<s>:0 A:0 <s>:1 B:1"},
    {.name = "marian",
     .about = "Marian: pieces of source.spm with the ids of vocab.json, text </s>",
     .class = "MarianTokenizer",
     .layout = AE_LAYOUT_VOCAB,
     .join = "close",
     .special = "</s> <unk> <pad>",
     .single = "A:0 </s>:0",
     .pair = "A:0 B:0 </s>:0"},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

int ae_tokenizer_piece_kind_count(void)
{
    return KINDS;
}

const char *ae_tokenizer_piece_kind_name(int i)
{
    return i >= 0 && i < KINDS ? kinds[i].name : NULL;
}

const char *ae_tokenizer_piece_kind_about(int i)
{
    return i >= 0 && i < KINDS ? kinds[i].about : NULL;
}

const ae_piece_kind *ae_piece_kind_find(const char *name)
{
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const ae_piece_kind *ae_piece_kind_of_class(const char *name)
{
    size_t n = strlen(name);
    n -= n > 4 && strcmp(name + n - 4, "Fast") == 0 ? 4 : 0;
    for (int i = 0; i < KINDS; i++) {
        const char *class = kinds[i].class;
        if (class && strlen(class) == n && memcmp(class, name, n) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const ae_piece_kind *ae_piece_kind_settle(const ae_piece_settings *s, ae_err *e)
{
    const char *asked = s->options ? s->options->kind : NULL;
    if (!asked) {
        const char *class = ae_json_string(s->config, "tokenizer_class", "", NULL);
        const ae_piece_kind *kind = class ? ae_piece_kind_of_class(class) : NULL;
        return kind ? kind : &kinds[0];
    }
    const ae_piece_kind *kind = ae_piece_kind_find(asked);
    if (!kind) {
        char list[256] = "";
        for (int i = 0; i < KINDS; i++) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", kinds[i].name);
        }
        ae_err_set(e, AE_E_VALUE, "\"%.60s\" is no kind that a SentencePiece model has; kinds: %s", asked, list);
    }
    return kind;
}
